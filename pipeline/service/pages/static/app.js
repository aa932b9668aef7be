// What the page does in the browser beyond htmx: themes, keys, the note next to the answer, and saying so when a stream
// breaks. Every action works without this file too, as a link or a form. Knows nothing about notes.

const page = document.documentElement;
const byId = (id) => document.getElementById(id);
const narrow = matchMedia("(max-width: 60rem)");

// --- theme: a cookie, so that the server sends the right one and nothing flashes

const THEMES = ["system", "light", "dark"];

function showTheme(name) {
  if (name === "system") delete page.dataset.theme;
  else page.dataset.theme = name;
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    button.setAttribute("aria-label", `Colours: ${name}. Change`);
    button.title = `Colours: ${name} (t)`;
  }
}

function nextTheme() {
  const now = page.dataset.theme ?? "system";
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `chartwell-theme=${next}; path=/; max-age=31536000; samesite=lax${secure}`;
  showTheme(next);
  say(`Colours: ${next}`);
}

function say(words) {
  const place = byId("said");
  if (place) place.textContent = words;
}

// --- times in the reader's own zone

const inFull = (moment) => moment.toLocaleString([], { dateStyle: "long", timeStyle: "short" });

function localTimes(root) {
  for (const time of root.querySelectorAll("time[data-moment]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    const today = moment.toDateString() === new Date().toDateString();
    time.textContent = moment.toLocaleString([], today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
    time.title = `${time.dateTime} UTC`.replace("+00:00", "");
    time.dataset.full = inFull(moment); // on paper "2:09 AM" says too little
    delete time.dataset.moment;
  }
}

// --- the note next to the answer

let cameFrom = null;

function citationOf(link) {
  for (const other of document.querySelectorAll("[data-cite][aria-current]")) other.removeAttribute("aria-current");
  link?.setAttribute("aria-current", "true");
}

function showNote() {
  const mark = document.querySelector("#beside mark, .note-page mark");
  const text = document.querySelector("#beside .note-text, .note-page .note-text");
  if (!text) return;
  if (mark) {
    const at = mark.getBoundingClientRect().top - text.getBoundingClientRect().top + text.scrollTop;
    text.scrollTop = Math.max(0, at - text.clientHeight / 3);
    if (mark.closest(".note-page")) mark.scrollIntoView({ block: "center" });
    mark.focus({ preventScroll: true });
  } else text.focus({ preventScroll: true });
}

function closeNote() {
  const beside = byId("beside");
  if (!beside?.firstElementChild) return false;
  beside.replaceChildren();
  citationOf(null);
  const there = new URL(location.href);
  for (const name of ["note", "span"]) there.searchParams.delete(name);
  history.replaceState(null, "", there);
  (cameFrom?.isConnected ? cameFrom : byId("question"))?.focus();
  return true;
}

// A note that was opened is a step in the browser's history: Back closes it, and stays in the conversation.
function noteOpened(address) {
  const state = { note: true };
  if (history.state?.note) history.replaceState(state, "", address);
  else history.pushState(state, "", address);
}

const leaveNote = () => (history.state?.note && byId("beside")?.firstElementChild ? history.back() : closeNote());

addEventListener("popstate", (event) => {
  if (event.state?.note) location.reload(); // forward again: the server shows the note that the address names
  else closeNote();
});

function stepCitation(step) {
  const links = [...document.querySelectorAll(".statements [data-cite]")];
  if (!links.length) return;
  const now = links.findIndex((link) => link.hasAttribute("aria-current") || link === document.activeElement);
  const next = links[now < 0 ? (step > 0 ? 0 : links.length - 1) : (now + step + links.length) % links.length];
  next.scrollIntoView({ block: "nearest" });
  next.click();
}

// --- asking

function asking(form, on) {
  form.querySelector(".composer-box").classList.toggle("busy", on);
  form.setAttribute("aria-busy", String(on));
}

// What is left in the thread without an end did not end well: say so, with the way on.
function endOfStream(stopped) {
  for (const turn of document.querySelectorAll(".turn[data-open]")) {
    delete turn.dataset.open;
    turn.querySelector(".working")?.replaceChildren();
    const words = byId(stopped ? "ended-stopped" : "ended-broken").content.cloneNode(true);
    turn.append(words);
    turn.lastElementChild.scrollIntoView({ block: "center" });
  }
}

function countFilters(form) {
  const count = [...form.querySelectorAll(".filters :is(input, select)")].filter((field) => field.value).length;
  const place = form.querySelector("[data-filter-count]");
  if (place) place.textContent = count ? `Filters: ${count}` : "Filters";
  place?.closest("summary").classList.toggle("chip-run", count > 0);
}

let stopped = false;

document.addEventListener("submit", (event) => {
  if (event.target.id !== "ask") return;
  stopped = false;
  asking(event.target, true);
  for (const open of event.target.querySelectorAll("details.filters[open]")) open.open = false; // they would hide the answer
});
// Comes when a stream has ended, however it did, and after every request that was no stream.
document.addEventListener("htmx:finally:request", (event) => {
  if (event.target.id !== "ask") return;
  asking(event.target, false);
  endOfStream(stopped);
  if (!narrow.matches) byId("question").focus({ preventScroll: true });
});
document.addEventListener("htmx:error", (event) => {
  if (event.target.id !== "ask" || stopped || document.querySelector(".turn[data-open]")) return;
  for (const old of document.querySelectorAll("[data-unreachable]")) old.remove();
  byId("thread").append(byId("ended-unreachable").content.cloneNode(true));
  byId("thread").lastElementChild.scrollIntoView({ block: "center" }); // the composer lies over the end of the page
});
// The service has taken the question: it names the address of its conversation.
document.addEventListener("accepted", (event) => {
  byId("question").value = "";
  for (const id of ["welcome", "recent-list"]) byId(id)?.remove();
  document.querySelector(".thread-empty")?.classList.remove("thread-empty");
  for (const old of document.querySelectorAll("[data-unreachable], #thread > [role=alert]")) old.remove();
  history.replaceState(null, "", event.detail.data);
});
document.addEventListener("ended", (event) => byId(event.detail.data)?.removeAttribute("data-open"));

// --- a click begins a trace: what it causes carries its number, and nothing else (W3C Trace Context)

const hex = (bytes) =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");

document.addEventListener("htmx:config:request", (event) => {
  event.detail.ctx.request.headers.traceparent = `00-${hex(16)}-${hex(8)}-01`;
});

// --- after htmx has put something in

document.addEventListener("htmx:after:swap", (event) => {
  localTimes(document);
  for (const element of document.querySelectorAll("[data-needs-script][hidden]")) element.hidden = false;
  const target = event.detail?.ctx?.target ?? event.target;
  if (target?.id === "beside") {
    cameFrom = event.detail?.ctx?.sourceElement ?? cameFrom;
    citationOf(cameFrom);
    if (cameFrom?.dataset.address) noteOpened(cameFrom.dataset.address);
    showNote();
  }
  if (target?.id === "thread") target.lastElementChild?.scrollIntoView({ block: "start" });
});

// --- copying, also over plain HTTP from another computer, where browsers have no clipboard for pages

async function copy(button, text) {
  const done = navigator.clipboard ? await navigator.clipboard.writeText(text).then(() => true, () => false) : copySelected(text);
  const words = (button.dataset.words ??= button.textContent);
  button.textContent = done ? "Copied" : "Not copied";
  say(button.textContent);
  setTimeout(() => (button.textContent = words), 2000);
}

function copySelected(text) {
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

const flat = (element) => element.textContent.replace(/\s+/g, " ").trim();

// A citation stands behind its statement as in the exported file, and its source is named below: nothing is copied bare.
function answerText(turn) {
  const statements = [...turn.querySelectorAll(".statement")].map((statement) => {
    const own = statement.cloneNode(true);
    for (const cite of own.querySelectorAll("[data-cite]")) cite.replaceWith(` [${cite.textContent}]`);
    return `- ${flat(own)}`;
  });
  const sources = [...turn.querySelectorAll(".sources li")].map((source) => {
    const own = source.cloneNode(true);
    for (const cite of own.querySelectorAll("[data-cite]")) cite.replaceWith(`[${cite.textContent}] `);
    return flat(own);
  });
  return [flat(turn.querySelector("h2")), ...statements, ...sources].join("\n");
}

// --- paper: the answer that was asked for, or the whole page

addEventListener("beforeprint", () => {
  for (const place of document.querySelectorAll("[data-printed]")) place.textContent = ` · printed ${inFull(new Date())}`;
});
addEventListener("afterprint", () => {
  for (const turn of document.querySelectorAll("[data-print-me]")) turn.removeAttribute("data-print-me");
});

// --- clicks

const CLICKS = {
  "theme-switch": nextTheme,
  "close-note": leaveNote,
  "show-keys": () => byId("keys").showModal(),
  "close-dialog": (button) => button.closest("dialog").close(),
  stop: () => {
    stopped = true;
    htmx.trigger(byId("ask"), "htmx:abort");
  },
  print: (button) => {
    button.closest(".turn")?.setAttribute("data-print-me", "");
    window.print();
  },
  "copy-answer": (button) => copy(button, answerText(button.closest(".turn"))),
  "show-password": (button) => {
    const field = button.parentElement.querySelector("input");
    const hidden = field.type === "password";
    field.type = hidden ? "text" : "password";
    button.textContent = hidden ? "Hide password" : "Show password";
    field.focus();
  },
  again: (button) => {
    byId("question").value = button.dataset.again;
    byId("question").focus();
  },
  copy: (button) =>
    copy(button, button.dataset.copy.startsWith("/") ? location.origin + button.dataset.copy : button.dataset.copy),
  "clear-filters": (button) => {
    for (const field of button.closest("details").querySelectorAll("input, select")) field.value = "";
    countFilters(byId("ask"));
  },
};

document.addEventListener("click", (event) => {
  for (const [name, act] of Object.entries(CLICKS)) {
    const button = event.target.closest?.(`[data-${name}]`);
    if (button) act(button);
  }
  for (const open of document.querySelectorAll("details.menu[open], details.confirm[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});
document.addEventListener("change", (event) => {
  if (event.target.closest?.(".filters")) countFilters(byId("ask"));
  if (event.target.id === "single-keys") localStorage.setItem("chartwell-keys", event.target.checked ? "on" : "off");
});

// --- keys

const KEYS = {
  "/": () => byId("question")?.focus(),
  "?": () => byId("keys").showModal(),
  n: () => location.assign("/"),
  h: () => location.assign("/conversations"),
  t: nextTheme,
  "]": () => stepCitation(1),
  "[": () => stepCitation(-1),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
    const open = document.querySelector("details.menu[open], details.confirm[open]");
    if (open) {
      open.open = false;
      open.querySelector("summary").focus();
    } else leaveNote();
    return;
  }
  if (event.target.id === "question" && event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!event.target.form.querySelector(".busy")) event.target.form.requestSubmit();
    return;
  }
  const typing = event.target.closest?.("input, textarea, select, [contenteditable], dialog");
  if (typing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (localStorage.getItem("chartwell-keys") === "off" || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

// --- at the start

showTheme(page.dataset.theme ?? "system");
localTimes(document);
const single = byId("single-keys");
if (single) single.checked = localStorage.getItem("chartwell-keys") !== "off";
const form = byId("ask");
if (form) countFilters(form);
// A one-time link carries its token behind the '#', which browsers send to no server: it goes into the form, and away.
const token = document.querySelector("input[data-token]");
if (token) {
  const given = location.hash.slice(1);
  if (given) {
    token.value = given;
    history.replaceState(null, "", location.pathname);
  }
  byId("no-token")?.toggleAttribute("hidden", Boolean(token.value));
  if (token.value && byId("whom")) {
    const values = { token: token.value };
    const own = token.form.querySelector("input[name=csrf_token]"); // there where a user is signed in
    if (own) values.csrf_token = own.value;
    htmx.ajax("POST", "/welcome/whom", { target: "#whom", values });
  }
}
for (const field of document.querySelectorAll("input[data-password]")) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "link-button small", textContent: "Show password" });
  button.dataset.showPassword = "";
  field.after(button);
}
const asked = document.querySelector("[data-cite][aria-current]");
if (asked) cameFrom = asked;
if (document.querySelector("#beside > *, .note-page")) showNote();
// A conversation opens at its newest answer, or at the citation that the address names.
const last = document.querySelector(".thread > .turn:last-of-type");
if (asked) asked.scrollIntoView({ block: "center" });
else if (last?.previousElementSibling?.previousElementSibling) last.scrollIntoView({ block: "start" });
for (const element of document.querySelectorAll("[data-needs-script]")) element.hidden = false;
