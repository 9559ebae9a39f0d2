import signal, collections, time as T, traceback
import pytest, requests
from backend.forecasting.tests.hostile_wire import *
from backend.forecasting.tests.commands import call
from backend.forecasting.tests.factories import *

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning"), pytest.mark.filterwarnings("ignore::FutureWarning")]
JUNK = [
    GONE,
    None,
    True,
    -1,
    0,
    2**70,
    1.5,
    str(2**70),
    "",
    "x" * 10_000,
    "\u202e\0<script>",
    [],
    {},
    [None],
    {"a": {"b": 1}},
    "9999-12-31T23:59:59.999999999Z",
    "0001-01-01T00:00:00Z",
    "yesterday",
    99,
    "NEW_STATE",
]
CMDS = {
    "bq_setup": {},
    "bq_setup_etl": {"run_now": True, "timeout": "0.01", "format": "json"},
    "bq_verify": {"format": "json"},
}
USES = {
    "bq_setup": ["dataset", "table"],
    "bq_setup_etl": [
        "table",
        "user",
        "password",
        "connection",
        "config",
        "configs",
        "run",
        "runs",
        "started",
    ],
    "bq_verify": ["dataset", "table", "connection", "configs", "runs", "probe", "summary"],
}


def test_all(settings, monkeypatch):
    settings.GOOGLE_CLOUD_PROJECT = PROJECT
    settings.CLOUD_SQL_INSTANCE = INSTANCE
    settings.FORECASTING_API_ENDPOINT = ENDPOINT
    w = HostileWire(make_config())
    monkeypatch.setattr(
        requests.Session, "send", w.send.__get__(w) and (lambda s, r, **k: w.send(s, r, **k))
    )
    def onalarm(*a): raise SystemError('HANG')
    signal.signal(signal.SIGALRM,onalarm)
    stop_the_clock(monkeypatch)
    for c, o in CMDS.items():
        r = call(c, **o)
        print(c, r.status, r.error[:300])
    bad = collections.Counter()
    ex = {}
    n = 0
    t = T.perf_counter()
    slow = []
    for c, o in CMDS.items():
        for name in USES[c]:
            for place in places_of(w.healthy[name]):
                for j in JUNK:
                    signal.setitimer(signal.ITIMER_REAL,4)
                    w.restore();
                    w.replies[name] = put(w.healthy[name], place, j)
                    n += 1
                    t1 = T.perf_counter()
                    try:
                        r = call(c, **o)
                        assert r.status in (0, 1, 2)
                        for text in (r.out, r.err, r.error):
                            if USER in text or PASSWORD[:10] in text:
                                raise RuntimeError("SECRET")
                    except Exception as e:
                        fr = [
                            f
                            for f in traceback.extract_tb(e.__traceback__)
                            if "/forecasting/" in f.filename and "/tests/" not in f.filename
                        ]
                        key = (
                            type(e).__name__,
                            c,
                            fr[-1].filename.split("forecasting/")[-1]
                            + ":"
                            + str(fr[-1].lineno)
                            + " "
                            + fr[-1].name,
                        )
                        bad[key] += 1
                        ex.setdefault(key, []).append((name, place, repr(j)[:30], str(e)[:100]))
                    d = T.perf_counter() - t1
                    if d > 1:
                        slow.append((d, c, name, place, repr(j)[:30]))
    signal.setitimer(signal.ITIMER_REAL,0); print(n, T.perf_counter() - t)
    for k, v in bad.most_common():
        print(v, k, ex[k][:3])
    print(slow[:20])
