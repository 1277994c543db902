// Keys and fetching ahead for comparisons. Choices are sent in order; the page goes on at once.
const board = document.querySelector("[data-compare]");
const address = "/compare/" + board.dataset.compare;
const csrf = board.dataset.csrf;
const keys = { ArrowLeft: "first", ArrowRight: "second", ArrowDown: "tie", b: "both-bad", s: "skip" };
const body = (which) => board.querySelector(`[data-side=${which}] .body`);
let pairs = [];
let past = [];
let sending = Promise.resolve();
let waiting = 0;

function fill(place, side) {
  place.replaceChildren();
  if (side.kind === "image") {
    const image = new Image();
    image.src = side.text;
    image.alt = "";
    place.append(image);
  } else if (side.kind === "video") {
    const clip = document.createElement("video");
    Object.assign(clip, { src: side.text, controls: true, loop: true, muted: true, autoplay: true, playsInline: true });
    place.append(clip);
  } else {
    place.textContent = side.text;
    place.classList.toggle("mono", side.kind !== "text");
    place.classList.toggle("columns", side.kind === "table");
  }
  place.scrollTop = 0;
}

function show() {
  const pair = pairs[0];
  board.dataset.ready = String(pairs.length);
  board.querySelector("[data-part=number]").textContent = String(past.length);
  board.querySelector("[data-part=pair]").hidden = !pair;
  board.querySelector("[data-part=none]").hidden = Boolean(pair) || waiting > 0;
  board.querySelector("[data-part=choices]").hidden = !pair && !waiting;
  if (!pair) return;
  board.querySelector("[data-part=place]").textContent = (pair.number + 1).toLocaleString("en");
  const prompt = board.querySelector("[data-part=prompt]");
  prompt.hidden = !pair.prompt;
  prompt.textContent = pair.prompt;
  for (const which of ["first", "second"]) {
    fill(body(which), pair[which]);
    board.querySelector(`[data-side=${which}]`).classList.remove("chosen");
  }
  board.querySelector("[data-part=pair]").classList.toggle("long", pair.first.text.length + pair.second.text.length > 300);
  for (const next of pairs.slice(1)) for (const which of ["first", "second"]) if (next[which].kind === "image") new Image().src = next[which].text;
}

async function ask(path, fields) {
  const options = fields && { method: "POST", body: new URLSearchParams({ csrf, ...fields }) };
  const answer = await fetch(address + path, { ...options, headers: { accept: "application/json" }, credentials: "same-origin" });
  if (!answer.ok) throw new Error(String(answer.status));
  return (await answer.json()).pairs;
}

function say(text) {
  board.querySelector("[data-part=say]").textContent = text;
}

function later(work) {
  waiting += 1;
  sending = sending.then(work).catch((error) => {
    say(error.message === "403" ? "The page is too old. Reload it." : "Not recorded: the connection broke. Reload the page.");
    pairs = [];
  }).finally(() => { waiting -= 1; if (!waiting) show(); });
}

function merge(fresh) {
  const known = new Set(past.slice(-8).map((each) => each.id + " " + each.version));
  const rest = fresh.filter((each) => !known.has(each.id + " " + each.version));
  const shown = pairs[0];
  pairs = shown && rest.some((each) => each.id === shown.id) ? [shown, ...rest.filter((each) => each.id !== shown.id)] : rest;
  if (!shown || pairs[0] !== shown) show();
}

function choose(outcome) {
  const pair = pairs.shift();
  if (!pair) return;
  past.push(pair);
  const side = board.querySelector(`[data-side=${outcome}]`);
  side?.classList.add("chosen");
  const word = board.querySelector(`button[value=${outcome}] span`)?.textContent ?? outcome;
  say(`${word}. Recorded.`);
  later(async () => merge(await ask("", { pair: pair.id, version: String(pair.version), outcome })));
  setTimeout(show, side ? 90 : 0);
}

function undo() {
  const last = past.pop();
  say("Taken back.");
  later(async () => { pairs = []; merge(await ask("/undo", { pair: last?.id ?? "" })); show(); });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || /INPUT|TEXTAREA|SELECT/.test(event.target.tagName)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (keys[key]) { event.preventDefault(); choose(keys[key]); }
  else if (key === "u") { event.preventDefault(); undo(); }
});

board.addEventListener("submit", (event) => {
  event.preventDefault();
  const value = event.submitter?.value;
  if (value === "undo") undo(); else if (value) choose(value);
  document.activeElement?.blur();
});

later(async () => { pairs = await ask("/pairs"); show(); });
