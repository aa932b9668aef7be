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

// A film's viewer is loaded where one is shown.
async function showFilms() {
  const film = document.querySelector("[data-film]:not([data-shown])");
  if (!film) return;
  film.dataset.shown = "";
  if (film.closest("#beside")) film.querySelector(".film-picture").focus({ preventScroll: true });
  const { showFilm } = await import(film.dataset.script);
  await showFilm(film);
}

// The film that is open next to an answer is the one that a question means by "this film"; it is said so, and can be left out.
function meanFilm(film) {
  const place = document.querySelector("[data-film-meant]");
  if (!place) return;
  const id = film?.dataset.filmId ?? "";
  place.hidden = !id;
  Object.assign(place.querySelector("input"), { value: id, disabled: !id });
  place.querySelector("[data-film-words-meant]").textContent = film?.dataset.filmAlt ?? "";
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-film-unmeant]")) return;
  meanFilm(null);
  byId("question").focus();
});

function closeNote() {
  const beside = byId("beside");
  if (!beside?.firstElementChild) return false;
  beside.replaceChildren();
  meanFilm(null);
  citationOf(null);
  const there = new URL(location.href);
  for (const name of ["note", "span", "film", "frame"]) there.searchParams.delete(name);
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

// The composer, a chip that is taken away and a choice ask alike; one at a time.
let running = null;
const asks = (element) => Boolean(element.matches?.("form[data-asks]"));
const isBusy = () => Boolean(document.querySelector(".composer-box.busy"));

function asking(form, on) {
  running = on ? form : null;
  byId("ask").querySelector(".composer-box").classList.toggle("busy", on);
  byId("ask").setAttribute("aria-busy", String(on));
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

document.addEventListener(
  "submit",
  (event) => {
    if (!asks(event.target)) return;
    if (event.target.id !== "ask" && isBusy()) {
      event.preventDefault();
      event.stopPropagation();
      say("An answer is being made. Wait for it, or stop it.");
      return;
    }
    stopped = false;
    asking(event.target, true);
    for (const open of document.querySelectorAll("details.filters[open], details.choose[open]")) open.open = false; // they would hide the answer
  },
  true,
);
// Comes when a stream has ended, however it did, and after every request that was no stream.
document.addEventListener("htmx:finally:request", (event) => {
  if (!asks(event.target)) return;
  asking(event.target, false);
  endOfStream(stopped);
  if (!narrow.matches) byId("question").focus({ preventScroll: true });
});
document.addEventListener("htmx:error", (event) => {
  if (!asks(event.target) || stopped || document.querySelector(".turn[data-open]")) return;
  for (const old of document.querySelectorAll("[data-unreachable]")) old.remove();
  byId("thread").append(byId("ended-unreachable").content.cloneNode(true));
  byId("thread").lastElementChild.scrollIntoView({ block: "center" }); // the composer lies over the end of the page
});
// The service has taken the question: it names the address of its conversation.
document.addEventListener("accepted", (event) => {
  if (running?.id === "ask") {
    byId("question").value = "";
    const film = running.querySelector(".film-field"); // not there where nothing embeds images
    if (film) setFilm(film, {});
  }
  byId("suggested").replaceChildren();
  for (const id of ["welcome", "recent-list"]) byId(id)?.remove();
  document.querySelector(".thread-empty")?.classList.remove("thread-empty");
  for (const old of document.querySelectorAll("[data-unreachable], #thread > [role=alert]")) old.remove();
  history.replaceState(null, "", event.detail.data);
});
document.addEventListener("ended", (event) => {
  const turn = byId(event.detail.data);
  turn?.removeAttribute("data-open");
  if (turn) offerOrders(turn);
  if (chosen() && byId("patient-bar").dataset.patient !== chosen()) choosePatient(chosen());
  else suggest();
});

// --- the patient who is meant, and what may be asked

const chosen = () => byId("patient").value.trim();

function suggest() {
  const query = new URLSearchParams({ patient: chosen(), conversation_id: byId("conversation-field").value });
  htmx.ajax("GET", `/suggest/questions?${query}`, { target: "#suggested" });
}

function choosePatient(id) {
  byId("patient").value = id;
  countFilters(byId("ask"));
  htmx.ajax("GET", `/patient-bar?${new URLSearchParams({ patient: id })}`, { target: "#patient-bar", swap: "outerHTML" });
  suggest();
}

function leavePatient() {
  const every = document.querySelector("#going-on input"); // the answer before was about one: the next question is not
  if (every) every.checked = true;
  choosePatient("");
  say("Every patient whose notes you can see");
  byId("question").focus();
}

// --- the order of statements

const ORDERS = { answer: "as answered", patient: "by patient", date: "newest first" };
const asAnswered = new WeakMap();

// A line of ours says how what stands under it is meant ("2 more mention it as denied"): it keeps what stands under it.
function sectionsOf(lines) {
  const sections = [];
  for (const line of lines) {
    const lead = line.classList.contains("line-lead");
    if (lead || !sections.length) sections.push({ lead: lead ? line : null, statements: [] });
    if (!lead) sections.at(-1).statements.push(line);
  }
  return sections;
}

const ORDER_KEYS = { patient: (line) => ownerOf(line), date: (line) => line.dataset.date };
const ownerOf = (line) => line.querySelector(".whose strong")?.textContent ?? line.dataset.patient;

function offerOrders(turn) {
  const list = turn.querySelector(".statements");
  if (!list || asAnswered.has(list)) return;
  const lines = [...list.children];
  const differ = (name) => sectionsOf(lines).some(({ statements }) => new Set(statements.map(ORDER_KEYS[name])).size > 1);
  const offered = ["answer", ...Object.keys(ORDER_KEYS).filter(differ)];
  if (offered.length < 2) return;
  asAnswered.set(list, lines);
  const group = document.createElement("div");
  Object.assign(group, { className: "orders row small no-print", role: "group", ariaLabel: "Order of the statements" });
  for (const name of offered) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "link-button", textContent: ORDERS[name], ariaPressed: String(name === "answer") });
    button.dataset.order = name;
    group.append(button);
  }
  list.before(group);
}

function orderBy(list, name) {
  const key = ORDER_KEYS[name];
  const sign = name === "date" ? -1 : 1;
  const shown = sectionsOf(asAnswered.get(list)).flatMap(({ lead, statements }) => {
    const ordered = key ? statements.toSorted((one, other) => sign * key(one).localeCompare(key(other))) : statements;
    ordered.forEach((line, at) => line.classList.toggle("same-owner", name === "patient" && at > 0 && ownerOf(line) === ownerOf(ordered[at - 1])));
    return lead ? [lead, ...ordered] : ordered;
  });
  list.replaceChildren(...shown);
}

// --- a film to ask with: read here, and sent with the form

const MEBIBYTE = 2 ** 20;
const mebibytes = (bytes) => `${(bytes / MEBIBYTE).toFixed(1)} MB`;

function asDataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}

function setFilm(box, { name = "", content = "", preview = "", said = "", bad = false }) {
  box.querySelector("[data-film-content]").value = content;
  box.querySelector("[data-film-name]").textContent = name;
  box.querySelector("[data-film-attached]").hidden = !content;
  const picture = box.querySelector("[data-film-preview]");
  picture.hidden = !preview;
  if (preview) picture.src = preview;
  else picture.removeAttribute("src");
  const place = box.querySelector("[data-film-said]");
  place.textContent = said;
  place.toggleAttribute("data-bad", bad);
  box.querySelector("[data-film-file]").value = "";
  const question = box.closest("form").elements.question;
  if (question) question.required = !content; // a film alone asks for those that look like it
}

async function attachFilm(box, file) {
  const most = Number(box.querySelector("[data-film-file]").dataset.bytesMax);
  if (!file.size) return setFilm(box, { said: `${file.name} is empty. Choose another file.`, bad: true });
  if (file.size > most) {
    const said = `${file.name} has ${mebibytes(file.size)}; a film to ask with may have ${mebibytes(most)}. Export it smaller, as PNG or JPEG.`;
    return setFilm(box, { said, bad: true });
  }
  const read = await asDataUrl(file).catch(() => "");
  const content = read.slice(read.indexOf(",") + 1).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  if (!content) return setFilm(box, { said: `${file.name} cannot be read. Choose it again.`, bad: true });
  const preview = /^data:image\/(png|jpeg);/.test(read) ? read : "";
  return setFilm(box, { name: file.name, content, preview, said: `${file.name} is attached.` });
}

const filmIn = (form) => form.querySelector("[data-film-content]")?.value;

for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    const place = event.target.closest?.("[data-film-drop]");
    if (!place || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    place.classList.toggle("dropping", type === "dragover");
    const [file] = event.dataTransfer.files;
    if (type === "drop" && file) attachFilm(place.querySelector(".film-field"), file);
  });
}
document.addEventListener("change", (event) => {
  const [file] = event.target.matches?.("[data-film-file]") ? event.target.files : [];
  if (file) attachFilm(event.target.closest(".film-field"), file);
});
document.addEventListener("submit", async (event) => {
  if (event.target.id !== "film-search" || !filmIn(event.target)) return;
  event.preventDefault();
  say("Searching by the film.");
  const headers = { "X-CSRF-Token": event.target.dataset.csrf ?? "" }; // no field: without a film the form is sent in an address
  await htmx.ajax("POST", "/films/search", { source: event.target, target: "#films-found", headers });
  byId("films-found").focus({ preventScroll: true });
  byId("films-found").scrollIntoView({ block: "nearest" });
});

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
    meanFilm(target.querySelector(".film"));
    if (cameFrom?.dataset.address) noteOpened(cameFrom.dataset.address);
    showNote();
  }
  showFilms();
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
  const statements = [...turn.querySelectorAll(".statements > li")].map((line) => {
    const own = line.querySelector(".statement").cloneNode(true);
    for (const cite of own.querySelectorAll("[data-cite]")) cite.replaceWith(` [${cite.textContent}]`);
    const whose = line.querySelector(".whose");
    return `- ${whose ? `${flat(whose)}: ` : ""}${flat(own)}`;
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
    if (running) htmx.trigger(running, "htmx:abort");
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
  "ask-this": (button) => {
    if (isBusy()) return;
    byId("question").value = button.dataset.askThis;
    byId("ask").requestSubmit();
  },
  order: (button) => {
    for (const other of button.parentElement.children) other.ariaPressed = String(other === button);
    orderBy(button.closest(".turn").querySelector(".statements"), button.dataset.order);
    say(`Order: ${button.textContent}`);
  },
  "patient-link": (link, event) => {
    if (!byId("ask") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choosePatient(link.dataset.patientLink);
    say(`Asking about ${link.querySelector("strong").textContent}`);
    byId("question").focus();
  },
  "leave-patient": (link, event) => {
    event.preventDefault();
    leavePatient();
  },
  again: (button) => {
    byId("question").value = button.dataset.again;
    byId("question").focus();
  },
  copy: (button) =>
    copy(button, button.dataset.copy.startsWith("/") ? location.origin + button.dataset.copy : button.dataset.copy),
  "film-remove": (button) => {
    const box = button.closest(".film-field");
    setFilm(box, { said: "The film was taken away." });
    box.querySelector("[data-film-file]").focus();
  },
  "clear-filters": (button) => {
    for (const field of button.closest("details").querySelectorAll("input, select")) field.value = "";
    choosePatient("");
  },
};

document.addEventListener("click", (event) => {
  for (const [name, act] of Object.entries(CLICKS)) {
    const button = event.target.closest?.(`[data-${name}]`);
    if (button) act(button, event);
  }
  for (const open of document.querySelectorAll("details.menu[open], details.confirm[open], details.choose[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});
document.addEventListener(
  "toggle",
  (event) => {
    if (event.target.matches?.("details.choose[open]")) byId("patient-query").focus();
  },
  true,
);
document.addEventListener("change", (event) => {
  if (event.target.closest?.(".filters")) countFilters(byId("ask"));
  if (event.target.id === "patient") choosePatient(chosen());
  if (event.target.id === "single-keys") localStorage.setItem("chartwell-keys", event.target.checked ? "on" : "off");
});

// --- keys

const KEYS = {
  "/": () => byId("question")?.focus(),
  "?": () => byId("keys").showModal(),
  n: () => location.assign("/"),
  p: () => {
    const choose = document.querySelector("details.choose");
    if (!choose) return;
    choose.open = true;
    byId("patient-query").focus();
  },
  h: () => location.assign("/conversations"),
  t: nextTheme,
  "]": () => stepCitation(1),
  "[": () => stepCitation(-1),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
    const open = document.querySelector("details.menu[open], details.confirm[open], details.choose[open]");
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
for (const turn of document.querySelectorAll(".turn")) offerOrders(turn);
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
meanFilm(document.querySelector("#beside .film"));
showFilms();
// A conversation opens at its newest answer, or at the citation that the address names.
const last = document.querySelector(".thread > .turn:last-of-type");
if (asked) asked.scrollIntoView({ block: "center" });
else if (last?.previousElementSibling?.previousElementSibling) last.scrollIntoView({ block: "start" });
for (const element of document.querySelectorAll("[data-needs-script]")) element.hidden = false;
