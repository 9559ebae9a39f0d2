// Follows a run on the status page. Without it a reload shows the same.
"use strict";

(() => {
  const PAUSE = 2000;
  const progress = document.getElementById("pipeline-progress");
  if (!progress || !("underWay" in progress.dataset)) return;
  const sentence = progress.querySelector("[data-sentence]");
  const seconds = document.getElementById("pipeline-seconds");
  const again = document.getElementById("pipeline-again");

  function say(text) {
    // Only what is new: a screen reader reads every change aloud.
    if (text && sentence.textContent !== text) sentence.textContent = text;
  }

  async function look() {
    try {
      const reply = await fetch(progress.dataset.url, { headers: { Accept: "application/json" } });
      if (!reply.ok || reply.redirected) {
        say("The run can no longer be followed here: look again.");
        return;
      }
      const run = await reply.json();
      say(run.problem || run.sentence);
      // Outside of the live region: it would be read aloud every time.
      seconds.textContent = run.under_way && run.seconds !== null ? `${run.seconds} s so far` : "";
      if (run.state && !run.under_way) {
        delete progress.dataset.underWay;
        sentence.className = run.state.toLowerCase();
        return;
      }
    } catch {
      say("This site does not answer; trying again.");
    }
    setTimeout(look, PAUSE);
  }

  again.hidden = false;
  setTimeout(look, PAUSE);
})();
