// Pages work without this. With it they follow along, show how far an upload is, and read an invitation's token.
const parts = () => [...document.querySelectorAll("[data-live]")];

async function refresh() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, credentials: "same-origin" });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.body.dataset.seen = page.body.dataset.seen ?? "";
  for (const old of parts()) {
    const fresh = page.querySelector(`[data-live="${old.dataset.live}"]`);
    if (!fresh || fresh.innerHTML === old.innerHTML || old.contains(document.activeElement) && busy(old)) continue;
    const opened = [...old.querySelectorAll("details[open]")].length;
    if (opened && old.querySelector("details.sure[open]")) continue;
    const focus = place(old, document.activeElement);
    old.replaceWith(document.adoptNode(fresh));
    if (!page.querySelector("main > [role=status]")) document.querySelector("main > [role=status]")?.remove();
    if (focus !== null) fresh.querySelectorAll("a, button, summary, input")[focus]?.focus();
  }
}

const busy = (part) => /INPUT|TEXTAREA|SELECT/.test(document.activeElement.tagName) && part.querySelector("input:not([type=hidden]), textarea");

function place(part, element) {
  const index = [...part.querySelectorAll("a, button, summary, input")].indexOf(element);
  return index < 0 ? null : index;
}

function concerns(change) {
  return parts().some((part) => {
    const kinds = (part.dataset.kinds || "").split(" ");
    const contest = part.dataset.contest;
    return kinds.includes(change.kind) && (!contest || !change.contest || contest === change.contest);
  });
}

let waiting = null;
function soon() {
  if (waiting !== null || document.hidden) { missed = document.hidden; return; }
  waiting = setTimeout(async () => { try { await refresh(); } finally { waiting = null; } }, 400);
}

let missed = false;
let stream = null;
function follow() {
  if (!parts().length || stream || document.hidden) return;
  const run = parts().map((part) => part.dataset.run).find(Boolean);
  const since = new URLSearchParams({ ...(run && { run }), after: document.body.dataset.seen ?? "" });
  stream = new EventSource("/live?" + since);
  stream.addEventListener("change", (event) => { if (concerns(JSON.parse(event.data))) soon(); });
  stream.addEventListener("bye", () => { stream.close(); stream = null; setTimeout(follow, 1000); });
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) { stream?.close(); stream = null; return; }
  follow();
  if (missed || parts().length) soon();
  missed = false;
});
follow();
const every = parts().map((part) => Number(part.dataset.every)).find(Boolean);
if (every) setInterval(soon, every * 1000);

// An invitation's token comes behind the #, which browsers do not send, so that no log has it.
const token = document.querySelector("input[data-token]");
if (token && location.hash.length > 1) {
  token.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
}

// Uploads: refuse what is too large before it is sent, and show how far it is.
for (const form of document.querySelectorAll("form[enctype]")) {
  const line = form.querySelector(".upload-progress");
  const files = [...form.querySelectorAll("input[type=file]")];
  if (!line || !files.length) continue;
  const size = () => files.reduce((sum, each) => sum + (each.files[0]?.size ?? 0), 0);
  form.addEventListener("change", (event) => {
    if (!files.includes(event.target)) return;
    for (const each of files) each.setCustomValidity("");
    if (size() > Number(form.dataset.most ?? Infinity)) event.target.setCustomValidity("That is larger than what is taken here.");
    event.target.reportValidity();
  });
  form.addEventListener("submit", (event) => {
    if (size() < 4e6) return;
    event.preventDefault();
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.upload.addEventListener("progress", (step) => {
      line.hidden = false;
      line.querySelector("progress").value = step.loaded / step.total;
      line.querySelector("span").textContent = step.loaded < step.total ? `${(step.loaded / 1e6).toFixed(1)} of ${(step.total / 1e6).toFixed(1)} MB` : "Sent. It is read now.";
    });
    request.addEventListener("load", () => {
      if (request.status < 400 && request.responseURL !== form.action) { location.assign(request.responseURL); return; }
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main") ?? page.body));
      document.querySelector("[role=alert]")?.focus();
    });
    request.addEventListener("error", () => { line.querySelector("span").textContent = "The connection broke. Nothing was handed in; try again."; });
    request.send(new FormData(form));
  });
}

for (const each of document.querySelectorAll("nav [aria-current]")) {
  const bar = each.closest("nav");
  if (bar.scrollWidth > bar.clientWidth) bar.scrollLeft = each.offsetLeft - bar.offsetLeft - (bar.clientWidth - each.offsetWidth) / 2;
}

document.querySelector("[autofocus][role=alert]")?.focus();
