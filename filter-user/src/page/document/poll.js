// Once a second, while somebody looks.

const PERIOD = 1000;
const PATIENCE = 5000;

let newest = null;
let isPaused = false;
let failure = null;
let timer = 0;

function draw() {
  document.body.classList.toggle("stale", failure !== null);
  if (failure !== null) {
    drawAlerts([
      `No answer: ${failure}. What stands below is old. The filter goes on without its daemon; on the host: edge-filter top`,
    ]);
    return;
  }
  if (newest === null) return;
  const filter = get("filter").value.trim();
  document.title = `edge-filter ${newest.host}`;
  get("host").textContent = newest.host;
  get("clock").textContent = new Date(newest.at_unix_ms).toISOString().slice(11, 19) + "Z";
  drawAlerts(alerts(newest));
  drawTotals(newest.totals);
  drawState(newest);
  drawLines(newest.lines, filter, get("sort").value);
  drawSources(newest.sources, filter);
}

async function ask() {
  const response = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (!response.ok) throw new Error((await response.text()).trim());
  return response.json();
}

async function poll() {
  if (document.hidden) return;
  try {
    const answer = await ask();
    failure = null;
    if (!isPaused) newest = answer;
  } catch (error) {
    failure = error instanceof DOMException || error instanceof TypeError ? "the daemon does not answer" : error.message;
  }
  draw();
  clearTimeout(timer);
  timer = setTimeout(poll, PERIOD);
}

get("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  get("pause").setAttribute("aria-pressed", String(isPaused));
  if (!isPaused) poll();
});
get("filter").addEventListener("input", draw);
get("sort").addEventListener("change", draw);
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  poll();
});
poll();
