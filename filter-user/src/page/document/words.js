// Numbers and times as `top` writes them.

const UNITS = ["", "k", "M", "G", "T", "P", "E"];

// At most five characters: 0, 0.35, 12.3, 999, 1.2k, 345M.
function number(value) {
  if (value < 0.005) return "0";
  let unit = 0;
  // What would be rounded to 1000 is the next unit's 1.0.
  while (value >= 999.5 && unit + 1 < UNITS.length) {
    value /= 1000;
    unit += 1;
  }
  if (unit === 0 && Number.isInteger(value)) return String(value);
  if (value < 0.995) return value.toFixed(2) + UNITS[unit];
  if (value < 99.95) return value.toFixed(1) + UNITS[unit];
  return value.toFixed(0) + UNITS[unit];
}

// The two largest units: 5s, 3m 20s, 2h 3m, 4d 1h.
function time(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const [minute, hour, day] = [60, 3600, 86400];
  if (s < minute) return `${s}s`;
  if (s < hour) return `${Math.floor(s / minute)}m ${s % minute}s`;
  if (s < day) return `${Math.floor(s / hour)}h ${Math.floor((s % hour) / minute)}m`;
  return `${Math.floor(s / day)}d ${Math.floor((s % day) / hour)}h`;
}

function action(name) {
  return name.replace("_", " ");
}

// What an operator should look at first. No figure in it that moves: it is read aloud.
function alerts(answer) {
  const status = answer.status;
  const found = answer.problems.map((problem) => `Not read: ${problem}`);
  if (!status.policy) found.push("No policy is in force: nothing is filtered.");
  for (const device of status.interfaces) {
    if (device.mode !== "none") continue;
    const why = device.problem ? `: ${device.problem}` : "";
    const what = device.is_present ? "is not filtered" : "is not there";
    found.push(`${device.device} ${what}${why}`);
  }
  if (status.bypass_seconds_left !== null) found.push("Bypass: everything passes.");
  if (status.apply && status.apply.stage === "pending") {
    found.push("An applied policy waits for edge-filter confirm, and is taken back without it.");
  }
  if (status.policy && status.policy.is_fallback) {
    found.push("The last good policy stands in: the configured file is invalid.");
  }
  const daemon = status.daemon;
  const reload = daemon && daemon.last_reload;
  if (reload && reload.outcome === "rejected") {
    found.push("The last reload was rejected; the policy before it is in force. Why: edge-filter check");
  } else if (daemon && daemon.is_file_different && !(status.policy && status.policy.is_fallback)) {
    found.push("The configured file differs from the policy in force.");
  }
  if (daemon && daemon.needs_restart.length > 0) {
    found.push(`Changed, but needs a restart of the daemon: ${daemon.needs_restart.join(", ")}`);
  }
  return found;
}
