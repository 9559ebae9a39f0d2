// Follows a run on the status page, and fills in the figures that arrive later. Without it a reload
// shows the same.
"use strict";

(() => {
  const PAUSE = 2000;
  const progress = document.getElementById("pipeline-progress");
  if (!progress) return;
  const shown = progress.dataset.figures;
  let follows = "underWay" in progress.dataset;
  let awaits = "looking" in progress.dataset;
  if (!follows && !awaits) return;
  const sentence = progress.querySelector("[data-sentence]");
  const seconds = document.getElementById("pipeline-seconds");
  const again = document.getElementById("pipeline-again");

  function say(text) {
    // Only what is new: a screen reader reads every change aloud.
    if (text && sentence.textContent !== text) sentence.textContent = text;
  }

  function follow(run) {
    say(run.problem || run.sentence);
    // Outside of the live region: it would be read aloud every time.
    seconds.textContent = run.under_way && run.seconds !== null ? `${run.seconds} s so far` : "";
    if (run.under_way || run.looking || run.problem) return;
    follows = false;
    delete progress.dataset.underWay;
    sentence.className = run.state.toLowerCase();
    // The figures above are from before its end.
    awaits = true;
  }

  async function look() {
    const asked = awaits;
    try {
      const address = `${progress.dataset.url}${asked ? "?figures=1" : ""}`;
      const reply = await fetch(address, { headers: { Accept: "application/json" } });
      if (!reply.ok || reply.redirected) {
        say("The run can no longer be followed here: look again.");
        return;
      }
      const now = await reply.json();
      if (follows) follow(now);
      if (asked && !now.figures_awaited) {
        if (now.figures !== shown) window.location.reload();
        awaits = false;
      }
    } catch {
      say("This site does not answer; trying again.");
    }
    if (follows || awaits) setTimeout(look, PAUSE);
  }

  again.hidden = false;
  setTimeout(look, PAUSE);
})();
