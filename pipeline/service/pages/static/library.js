// The library: files that are dropped go up one by one, and a reviewer decides with single keys.

const drop = document.querySelector("[data-document-drop]");

if (drop) {
  const list = drop.querySelector("[data-uploads]");
  const field = drop.querySelector("input[type=file]");
  const most = Number(drop.dataset.bytesMax);
  let waiting = Promise.resolve();

  const line = (name) => {
    const item = document.createElement("li");
    const said = document.createElement("span");
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", `Upload of ${name}`);
    said.textContent = name;
    item.append(said, " ", bar);
    list.append(item);
    return { end: (words) => { said.textContent = `${name}: ${words}`; bar.remove(); }, bar };
  };

  const send = (file, shown) => new Promise((done) => {
    const body = new FormData();
    body.append("domain", drop.elements.domain.value);
    if (drop.elements.supersedes) body.append("supersedes", drop.elements.supersedes.value);
    body.append("file", file);
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/documents");
    if (drop.dataset.csrf) request.setRequestHeader("X-CSRF-Token", drop.dataset.csrf);
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) shown.bar.value = event.loaded / event.total;
    });
    request.addEventListener("loadend", () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { answer = {}; }
      if (request.status === 202) {
        shown.end(answer.documents[0].is_new ? "uploaded; it is read now" : "here already, nothing changed");
      } else {
        shown.end(answer.detail ? `${answer.detail} ${answer.remedy ?? ""}` : "not uploaded; try again");
      }
      done();
    });
    request.send(body);
  });

  const take = (files) => {
    for (const file of files) {
      const shown = line(file.name);
      if (file.size > most) {
        shown.end("larger than a document may be; split it");
        continue;
      }
      waiting = waiting.then(() => send(file, shown));
    }
    waiting.then(() => { document.getElementById("said").textContent = "All files were sent."; });
  };

  field.addEventListener("change", () => { take([...field.files]); field.value = ""; });
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("is-over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("is-over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("is-over");
    take([...event.dataTransfer.files]);
  });
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const single = document.getElementById("single-keys");
  if (single && !single.checked) return;
  const chosen = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (chosen) {
    event.preventDefault();
    chosen.click();
  }
});
