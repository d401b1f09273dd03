// What was read, put on the page. Text is only ever set as text.

const SVG = "http://www.w3.org/2000/svg";
const ROWS = 40;
const HISTORY = 60;

function get(id) {
  return document.getElementById(id);
}

function element(name, text, classes) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (classes) made.className = classes;
  return made;
}

// A line whose right end is now; as high as the highest value.
function curve(svg, values) {
  const highest = Math.max(...values, 0);
  const [width, height] = [HISTORY - 1, 20];
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const x = (n) => width - (values.length - 1 - n);
  const y = (value) => (highest > 0 ? height - (value / highest) * height : height);
  const points = values.map((value, n) => `${x(n)} ${y(value).toFixed(2)}`);
  // One point is no line.
  const d = points.length > 1 ? `M${points.join("L")}` : `M0 ${height}H${width}`;
  let path = svg.firstChild;
  if (!path) {
    path = document.createElementNS(SVG, "path");
    svg.append(path);
  }
  path.setAttribute("d", d);
}

function drawTotals(totals) {
  for (const name of ["pass", "drop", "would_drop"]) {
    const rates = totals[name];
    get(name).textContent = number(rates.at(-1) ?? 0);
    curve(get(`${name}-curve`), rates);
  }
}

function drawState(answer) {
  const status = answer.status;
  const now = answer.at_unix_ms / 1000;
  const rows = [];
  const add = (name, text, isAlert) => rows.push(element("dt", name), element("dd", text, isAlert ? "warn" : ""));
  const policy = status.policy;
  if (policy) {
    const age = policy.applied_at === null ? "" : `, in force for ${time(now - policy.applied_at)}`;
    add("Policy", `generation ${policy.generation}${age}`);
  } else {
    add("Policy", "none: nothing is filtered", true);
  }
  if (status.apply && status.apply.stage === "pending") {
    add("Apply", `pending, reverts in ${time(status.apply.at - now)}`, true);
  }
  if (status.bypass_seconds_left !== null) {
    add("Bypass", `everything passes for ${time(status.bypass_seconds_left)}`, true);
  }
  for (const device of status.interfaces) {
    const isFiltered = device.mode !== "none";
    const mode = isFiltered ? device.mode : device.is_present ? "NOT FILTERED" : "NOT THERE";
    add("Interface", `${device.device} ${mode}`, !isFiltered);
  }
  if (status.daemon) {
    add("Daemon", `pid ${status.daemon.pid}, up ${time(status.daemon.uptime_seconds)}, version ${status.version}`);
  }
  const sources = status.sources;
  if (sources) {
    const tracked = number(Math.max(sources.connections, sources.packets));
    add("Sources", `${tracked} of ${number(sources.capacity)} tracked, ${number(answer.evictions)} evicted`);
  }
  add("Events", `${number(answer.events.sent)}, ${number(answer.events.lost)} lost`);
  const exceptions = status.exceptions;
  if (exceptions) add("Bans", `${exceptions.bans}, timed allows ${exceptions.allows}`);
  for (const ban of answer.newest_bans) {
    const service = ban.service ? ` from ${ban.service}` : "";
    const left = ban.seconds_left === null ? "for good" : time(ban.seconds_left);
    add("Newest ban", `${ban.address}${service} (${left})`);
  }
  get("state").replaceChildren(...rows);
}

function cell(text, classes, unit) {
  const made = element("td", text, classes);
  made.setAttribute("role", "cell");
  if (unit) made.dataset.unit = unit;
  return made;
}

function row(...cells) {
  const made = element("tr");
  made.setAttribute("role", "row");
  made.append(...cells);
  return made;
}

const ORDERS = {
  rate: (a, b) => b.packets_per_second - a.packets_per_second || b.packets - a.packets,
  total: (a, b) => b.packets - a.packets,
  name: (a, b) => (a.service < b.service ? -1 : a.service > b.service ? 1 : 0) || (a.reason < b.reason ? -1 : 1),
};

function lineRow(line) {
  const svg = document.createElementNS(SVG, "svg");
  curve(svg, line.history);
  const last = element("td", undefined, `curve ${line.action}`);
  last.setAttribute("role", "presentation");
  last.setAttribute("aria-hidden", "true");
  last.append(svg);
  return row(
    cell(line.service),
    cell(action(line.action), line.action),
    cell(line.reason),
    cell(number(line.packets_per_second), "figure", "/s"),
    cell(number(line.bytes_per_second), "figure", "B/s"),
    cell(number(line.packets), "figure", "packets"),
    last,
  );
}

function drawLines(lines, filter, order) {
  const wanted = lines.filter((line) => line.service.includes(filter)).sort(ORDERS[order]);
  get("lines").replaceChildren(...wanted.slice(0, ROWS).map(lineRow));
  let more = "";
  if (wanted.length > ROWS) more = `and ${wanted.length - ROWS} more; name a service to see them`;
  if (wanted.length === 0) more = lines.length > 0 ? "no service has this in its name" : "nothing is counted yet";
  get("more").textContent = more;
}

function drawSources(sources, filter) {
  const wanted = sources.filter((source) => source.newest.service.includes(filter));
  const rows = wanted.map((source) =>
    row(
      cell(source.source),
      cell(source.newest.service),
      cell(source.newest.reason),
      cell(number(source.events_per_second), "figure", "events/s"),
    ),
  );
  get("sources").replaceChildren(...rows);
  get("nobody").textContent = wanted.length > 0 ? "" : "nobody, as far as events tell";
}

// Only what changed is touched, so that it is read aloud once.
function drawAlerts(texts) {
  const box = get("alerts");
  const shown = Array.from(box.children, (child) => child.textContent);
  if (shown.join("\n") === texts.join("\n")) return;
  box.replaceChildren(...texts.map((text) => element("p", text, "alert")));
}
