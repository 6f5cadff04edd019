"use strict";

// Shows people what the agent says to programs at /status and /parked. Reasons, ids and keys are
// texts of strangers: they come into the page as text and never as markup. Addresses are relative,
// since a proxy may have put the agent under a path of its own.

const REFRESH_MILLIS = 5_000;

// A frozen agent still takes connections: without a limit, what it said last would stand for ever.
const STATUS_MILLIS = 10_000;

// The database may take 5 s for each of several statements.
const PARKED_MILLIS = 60_000;

const SHOWN_CHARS_MAX = 300;

// Of the agent's own words, with a statement to be run as it is printed.
const MESSAGE_CHARS_MAX = 2_000;

const BYTES_PER_MIB = 1 << 20;

const MOMENT = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)/;

// What makes a reason one of its kind: the event it is about, which has a row of its own.
const OWN_NAME = /^(event|row) [^ ]+:? /;

// Controls, marks that turn the direction of writing, and what else cannot be seen.
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** An element; children that are no elements become text. */
function make(name, attributes, ...children) {
  const made = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.append(...children);
  return made;
}

/** Text of strangers on one line, cut; a dash for none. */
function plain(text, charsMax = SHOWN_CHARS_MAX) {
  if (text === null) {
    return "-";
  }
  const chars = [...text];
  const shown = chars.slice(0, charsMax).join("").replace(UNSEEN, "?");
  return chars.length > charsMax ? shown + "..." : shown;
}

/** With moments that no line breaks in two. */
function prose(text) {
  return text.split(MOMENT).map((part) => (MOMENT.test(part) ? make("time", {}, part) : part));
}

/** In whole seconds: nobody reads more digits. */
function seconds(moment) {
  return moment === null ? null : moment.replace(/\.\d+Z$/, "Z");
}

function grouped(number) {
  return number.toLocaleString("en-US");
}

function show(...content) {
  document.querySelector("main").replaceChildren(...content);
}

// What the agent says

/** Its JSON, and when by its own clock. Throws an error that says why there is none. */
async function ask(path, millis) {
  // Without the password that the page's own address may have, which fetch refuses.
  const address = new URL(path, location.origin + location.pathname);
  let response;
  let text;
  try {
    response = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(millis) });
    text = await response.text();
  } catch (error) {
    throw new Error(`the agent does not answer: ${error.message}`);
  }
  if (!response.ok) {
    throw new Error(plain(text.trim(), MESSAGE_CHARS_MAX));
  }
  const now = new Date(response.headers.get("Date") ?? Date.now());
  try {
    return { at: seconds(now.toISOString()), says: JSON.parse(text) };
  } catch (error) {
    throw new Error(`what answers is no agent: ${error.message}`);
  }
}

function failure(heading, error, then) {
  return make(
    "section",
    { class: "bad" },
    make("h2", {}, heading),
    make("p", { class: "why" }, ...prose(error.message)),
    make("p", {}, ...prose(then)));
}

// The status

function mark(pipeline) {
  if (!pipeline.ready) {
    return ["bad", "not ready"];
  }
  return pipeline.warnings.length === 0 ? ["good", "ready"] : ["warn", "ready, but see the warning"];
}

/** State and problem, as /ready says them. */
function line(pipeline) {
  if (!pipeline.ready) {
    return pipeline.problem;
  }
  const isLed = pipeline.state === "STANDBY" && pipeline.ledBy !== "";
  const leader = isLed ? `, ${pipeline.ledBy} leads` : "";
  return `${pipeline.state} since ${seconds(pipeline.since)}${leader}`;
}

function retained(bytes) {
  return bytes < BYTES_PER_MIB
    ? `${Math.trunc(bytes / 1024)} KiB`
    : `${Math.trunc(bytes / BYTES_PER_MIB)} MiB`;
}

/** What a standby has of its own is of an earlier lead, or zero: as if nothing were published. */
function figuresOfALead(pipeline) {
  const hasLed = pipeline.handover.takeovers > 0 || pipeline.eventsPublished > 0;
  const hasPulse = pipeline.lastPulseAt !== null;
  return [
    ["published", hasLed ? grouped(pipeline.eventsPublished) : null],
    ["sequence", hasLed ? pipeline.lastSequence : null],
    ["parked", pipeline.parkedWaiting < 0 ? null : pipeline.parkedWaiting],
    ["last publish", seconds(pipeline.lastPublishAt)],
    ["last pulse", seconds(pipeline.lastPulseAt)],
    ["capture latency", hasPulse ? `${pipeline.captureLatencyMillis.toFixed(1)} ms` : null],
  ];
}

/** Names and values in the order they are shown; what is not known or not of this state is null. */
function figures(pipeline) {
  const used = pipeline.wal.usedRatio;
  const handover = pipeline.handover;
  return [
    ["leader", pipeline.ledBy || null],
    ...(pipeline.state === "STANDBY" ? [] : figuresOfALead(pipeline)),
    ["WAL retained", pipeline.retainedWalBytes < 0 ? null : retained(pipeline.retainedWalBytes)],
    ["of its limit", used < 0 ? null : `${Math.round(used * 100)} %`],
    ["took over in", handover.takeovers === 0 ? null : `${handover.takeoverSeconds.toFixed(1)} s`],
    ["restarts", pipeline.restarts],
    ["next try", seconds(pipeline.nextTryAt)],
    ["old partitions stay", pipeline.retention.why || null],
  ];
}

function section(pipeline) {
  const [colour, word] = mark(pipeline);
  const warnings = pipeline.warnings.map((warning) => `warning: ${warning}`);
  return make(
    "section",
    { class: colour },
    make("h2", {}, `${pipeline.name}: ${word}`),
    ...[line(pipeline), ...warnings].map((text) => make("p", { class: "why" }, ...prose(text))),
    make(
      "dl",
      {},
      ...figures(pipeline)
        .filter(([, value]) => value !== null)
        .map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)))));
}

function showStatus({ at, says }) {
  const { version, host, pid } = says.agent;
  show(
    make("h1", {}, "outbox-agent"),
    make(
      "p",
      { class: "quiet" },
      ...prose(`version ${version} on host ${host}, process ${pid}; seen at ${at}`)),
    ...says.pipelines.map(section));
}

async function keepShowingStatus() {
  let last = "It has not answered this page yet.";
  for (;;) {
    try {
      const answer = await ask("status", STATUS_MILLIS);
      last = `It last answered at ${answer.at}.`;
      showStatus(answer);
    } catch (error) {
      // What it said before would look as if it were so now.
      const then = `${last} It is asked again every 5 s.`;
      show(make("h1", {}, "outbox-agent"), failure("state not known", error, then));
    }
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MILLIS));
  }
}

// Parked events

function state(event) {
  if (event.isOnItsWay) {
    return "being published";
  }
  if (event.requested !== null) {
    return `${plain(event.requested)} requested`;
  }
  return event.isBehind ? "behind" : "waiting";
}

function row(event) {
  const titled = (title, value) => make("td", { title }, value);
  return make(
    "tr",
    { class: event.isBehind ? "quiet" : "culprit" },
    make("td", {}, event.ordinal),
    make("td", {}, make("time", {}, seconds(event.parkedAt))),
    make("td", { class: "brief" }, state(event)),
    titled("key", plain(event.key)),
    titled("type", plain(event.eventType)),
    titled("topic", plain(event.topic)),
    titled("bytes", event.payloadBytes ?? "-"),
    make("td", { class: "id", title: "id" }, plain(event.eventId)));
}

function headings(...names) {
  return make("tr", {}, ...names.map((name) => make("th", {}, name)));
}

/** Each reason once, above the events it holds. */
function byReason(events) {
  const groups = new Map();
  for (const event of events) {
    const reason = event.reason.replace(OWN_NAME, "");
    groups.set(reason, [...(groups.get(reason) ?? []), event]);
  }
  const columns = ["number", "parked at", "state", "key", "type", "topic", "bytes", "id"];
  return [...groups].flatMap(([reason, group]) => [
    make("h2", {}, plain(reason)),
    make("div", { class: "wide" }, make("table", {}, headings(...columns), ...group.map(row))),
  ]);
}

function counts(what, numbers) {
  // Names that look like numbers come first in an object, whatever the agent wrote.
  const rows = Object.entries(numbers)
    .sort(([, one], [, other]) => other - one)
    .map(([name, count]) =>
      make("tr", {}, make("td", {}, plain(name)), make("td", {}, grouped(count))));
  return rows.length === 0 ? [] : [make("table", {}, headings(what, "events"), ...rows)];
}

function commands(parked) {
  const first = parked.events.find((event) => !event.isBehind);
  if (first === undefined) {
    return [];
  }
  const release = `parked release agent.yml --pipeline ${parked.pipeline} ${first.ordinal} --wait`;
  const code = (text) => make("code", {}, text);
  return [
    make(
      "p",
      {},
      "Once the cause is mended: ",
      code(`java -jar outbox-agent.jar ${release}`),
      "; ",
      code("parked edit"),
      " corrects an event, ",
      code("parked discard"),
      " gives it up, and ",
      code("parked --help"),
      " says how."),
  ];
}

function link(text, parameters) {
  return make("a", { href: `?${new URLSearchParams(parameters)}` }, text);
}

function links(names) {
  return make("p", {}, ...names.flatMap((name) => [link(plain(name), { pipeline: name }), " "]));
}

function showParked(parked, names) {
  const { events, culprits, behind, keys, oldest } = parked.totals;
  const since = oldest === null ? "" : `, the oldest parked at ${seconds(oldest)}`;
  const total =
    `${grouped(events)} wait: ${grouped(culprits)} with a fault of their own, ` +
    `${grouped(behind)} behind them; ${grouped(keys)} keys${since}`;
  // On a page that shows all of them they would say everything twice.
  const isAll = parked.events.length === events;
  const pipeline = parked.pipeline;
  const next = { pipeline, after: parked.next };
  show(
    make("h1", {}, `parked events of ${plain(pipeline)}`),
    links(names),
    make("p", {}, ...prose(total)),
    ...commands(parked),
    ...(isAll ? [] : counts("topic", parked.byTopic)),
    ...(isAll ? [] : counts("reason", parked.byReason)),
    ...counts("of another source", parked.elsewhere),
    ...byReason(parked.events),
    ...(parked.next === null ? [] : [make("p", {}, link("next", next))]));
  navigate(link("JSON", { pipeline, format: "json" }));
}

function navigate(...more) {
  const nav = document.querySelector("nav");
  nav.replaceChildren(...more.flatMap((one) => [one, " "]), make("a", { href: "." }, "status"));
}

/** The pipelines to choose from; none where there is no choice. */
async function names() {
  try {
    const { says } = await ask("status", STATUS_MILLIS);
    return says.pipelines.length < 2 ? [] : says.pipelines.map((pipeline) => pipeline.name);
  } catch (error) {
    // Why the agent does not answer is said where the events would be.
    return [];
  }
}

async function showParkedOnce() {
  document.title = "parked events";
  navigate();
  const query = new URLSearchParams(location.search);
  query.set("format", "json");
  const choice = names();
  try {
    const { says } = await ask(`parked?${query}`, PARKED_MILLIS);
    showParked(says, await choice);
  } catch (error) {
    const failed = failure("events not known", error, "Load this page again to ask once more.");
    show(make("h1", {}, "parked events"), links(await choice), failed);
  }
}

if (location.pathname.endsWith("/parked")) {
  showParkedOnce();
} else {
  keepShowingStatus();
}
