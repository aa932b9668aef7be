// A film in the browser: window, zoom, slices. Loaded where a page shows one. The picture that the server renders is there
// first, and stays where WebGL, the pixels or the memory for them are missing: the controls are the same then. Nothing but
// pixels comes from the server, and they are shown in the order in which they are stored.

const STILL_DELAY = 200; // before another picture is asked of the server, in milliseconds
const VOLUME_BYTES_MAX = 256 * 2 ** 20;
const ZOOM_MIN = 1;
const ZOOM_MAX = 16;
const ZOOM_STEP = 1.25;
const TOO_DEEP = 2048; // no browser promises more voxels along an edge

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
// The page shows again what needs its script, each time it has changed something: not what is hidden here.
const hide = (part, hidden) => {
  part.removeAttribute("data-needs-script");
  part.hidden = hidden;
};
const round = (value, step) => Number((Math.round(value / step) * step).toPrecision(7));

// --- the viewer's file: once a page, and only where a film is shown

let niivue = null;

function loadNiivue(address) {
  niivue ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.addEventListener("load", () => resolve(window.niivue));
    script.addEventListener("error", () => reject(new Error("the viewer's file is missing")));
    script.src = address;
    document.head.append(script);
  });
  return niivue;
}

function edgeMax() {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return 0;
  const most = gl.getParameter(gl.MAX_3D_TEXTURE_SIZE);
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return Math.min(most, 2 * TOO_DEEP);
}

// --- NIfTI-1: where things stand in its header of 348 bytes

const DIMENSIONS = 40;
const DATATYPE = 70;
const SPACING = 76;
const WINDOW = 124;
const QFORM = 252;
const SFORM = 254;
const AFFINE = 280;
const RGB = 128;

const PLANES = { "": [0, 0, 1, 2], axial: [0, 0, 1, 2], coronal: [1, 0, 2, 1], sagittal: [2, 1, 2, 0] };
// By name: niivue's number for it, and which axes of the body run across, down and through the slices.

// Without a plane the slices lie as they are stored, first row above, first column left: where the header puts the patient
// is not asked then. A volume with a plane is cut as its header says, the patient's right on the left.
function laidOut(buffer, plane) {
  const view = new DataView(buffer);
  if (buffer.byteLength < 352 || view.getInt32(0, true) !== 348) throw new Error("this is no NIfTI-1 file");
  const [columns, rows, slices] = [1, 2, 3].map((at) => Math.max(1, view.getInt16(DIMENSIONS + 2 * at, true)));
  const spacing = [1, 2, 3].map((at) => Math.abs(view.getFloat32(SPACING + 4 * at, true)) || 1);
  if (!plane) {
    view.setInt16(QFORM, 0, true);
    view.setInt16(SFORM, 1, true);
    [columns, rows, slices].forEach((count, axis) => {
      const step = axis < 2 ? -spacing[axis] : spacing[axis];
      [0, 1, 2].forEach((column) => view.setFloat32(AFFINE + 16 * axis + 4 * column, column === axis ? step : 0, true));
      view.setFloat32(AFFINE + 16 * axis + 12, (-step * (count - 1)) / 2, true);
    });
  }
  const [high, low] = [0, 4].map((at) => view.getFloat32(WINDOW + at, true));
  return { low, high, longest: Math.max(columns, rows, slices), colour: view.getInt16(DATATYPE, true) === RGB };
}

async function fetched(address) {
  const response = await fetch(address, { headers: { Accept: "application/octet-stream" } });
  if (!response.ok) throw new Error(`no pixels: ${response.status}`);
  if (Number(response.headers.get("Content-Length")) > VOLUME_BYTES_MAX) {
    await response.body.cancel();
    throw new Error("too many pixels for a browser");
  }
  return { buffer: await response.arrayBuffer(), plane: Number(response.headers.get("X-Chartwell-Plane")) || 1 };
}

// --- two ways to show it: each draws what `look` says

// Pictures of the server's, one for each window and slice.
class Still {
  constructor(image, address) {
    this.image = image;
    this.address = address;
    this.timer = 0;
  }

  draw(look) {
    const { zoom, across, down } = look;
    this.image.style.transform = `translate(${across}px, ${down}px) scale(${zoom})`;
    const asked = new URLSearchParams({ frame: look.frame });
    if (look.changed) {
      asked.set("centre", look.centre);
      asked.set("width", look.width);
    }
    const source = `${this.address}?${asked}`;
    clearTimeout(this.timer);
    if (source === this.image.getAttribute("src")) return;
    this.timer = setTimeout(() => this.image.setAttribute("src", source), STILL_DELAY);
  }

  close() {
    clearTimeout(this.timer);
  }
}

// The pixels themselves, drawn by niivue.
class Drawn {
  static async open(canvas, { Niivue, NVImage }, address, plane) {
    const most = edgeMax();
    if (!most) throw new Error("no WebGL");
    const { buffer, plane: chosen } = await fetched(address);
    const shape = laidOut(buffer, plane);
    if (shape.longest > most) throw new Error("more pixels than WebGL takes");
    const viewer = new Niivue({
      interactive: false,
      dragAndDropEnabled: false,
      isRadiologicalConvention: true,
      sagittalNoseLeft: true,
      crosshairWidth: 0,
      loadingText: "",
      logLevel: "silent",
      backColor: [0, 0, 0, 1],
    });
    viewer.drawSliceOrientationText = () => {}; // it would write A and L on films of which no one knows that
    await viewer.attachToCanvas(canvas);
    const [type, across, down, through] = PLANES[plane];
    viewer.setSliceType(type);
    const volume = await NVImage.loadFromUrl({ url: "film.nii", name: "film.nii", buffer });
    const edge = (axis) => volume.dimsRAS[axis + 1] * volume.pixDimsRAS[axis + 1];
    Object.assign(shape, { chosen, width: edge(across), height: edge(down), through, slices: volume.dimsRAS[through + 1] });
    return new Drawn(canvas, viewer, volume, shape);
  }

  constructor(canvas, viewer, volume, shape) {
    Object.assign(this, { canvas, viewer, volume, shape, shown: "" });
    this.range = [volume.global_min, volume.global_max];
  }

  draw(look) {
    const { viewer, volume, shape, canvas } = this;
    const window = `${look.centre} ${look.width}`;
    if (!shape.colour && window !== this.shown) {
      volume.cal_min = look.centre - look.width / 2;
      volume.cal_max = look.centre + look.width / 2;
      if (this.shown) viewer.updateGLVolume();
      this.shown = window;
    }
    if (!viewer.volumes.length) viewer.addVolume(volume);
    viewer.scene.crosshairPos[shape.through] = (look.slice + 0.5) / shape.slices;
    const scale = Math.min(canvas.clientWidth / shape.width, canvas.clientHeight / shape.height) || 1;
    viewer.setPan2Dxyzmm([-look.across / scale, -look.down / scale, 0, look.zoom]);
  }

  close() {
    this.closed = true;
    this.viewer.cleanup();
    this.viewer.gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

// --- a film on the page

const numbers = (text) => (text ? text.split(" ").map(Number) : []);

class Film {
  constructor(root) {
    this.root = root;
    this.picture = root.querySelector(".film-picture");
    this.slices = Number(root.dataset.frames);
    this.told = Number(root.dataset.told) - 1; // of which slice the words next to it are
    this.beginAsServed();
    this.still = new Still(root.querySelector(".film-still"), root.dataset.rendering);
    this.shown = this.still;
    this.listen();
    this.update();
  }

  begin(centre, width, slice = Number(this.root.dataset.frame) - 1) {
    this.start = { centre, width, slice: Number(this.root.dataset.frame) - 1, zoom: 1, across: 0, down: 0 };
    this.look = { ...this.start, slice };
  }

  // With the window of the server's picture, in its units: of 8 bits shown as they are, all of them.
  beginAsServed() {
    const [centre, width] = numbers(this.root.dataset.window);
    this.begin(centre ?? 127.5, width ?? 255, this.look?.slice);
    this.setRanges(this.start.centre - 2 * this.start.width, this.start.centre + 2 * this.start.width);
  }

  field(name) {
    return this.root.querySelector(`[data-film-field="${name}"]`);
  }

  setRanges(low, high) {
    const span = Math.max(high - low, this.start.width, 1e-6);
    this.step = span > 200 ? 1 : 10 ** Math.floor(Math.log10(span / 200));
    const ranges = { centre: [Math.min(low, this.start.centre), Math.max(high, this.start.centre)], width: [this.step, span] };
    for (const [name, [least, most]] of Object.entries(ranges)) {
      const field = this.field(name);
      if (field) Object.assign(field, { min: round(least, this.step), max: round(most, this.step), step: this.step });
    }
    this.limits = ranges;
  }

  // Why there is no picture of the server's either, in its words; nothing where there is one.
  async whyNoPicture() {
    const { image } = this.still;
    if (!image.complete) await new Promise((done) => ["load", "error"].forEach((end) => image.addEventListener(end, done, { once: true })));
    if (image.naturalWidth) return "";
    const response = await fetch(image.src);
    if (response.ok) {
      image.src = image.getAttribute("src"); // it failed for a moment only
      return "";
    }
    const { detail, remedy } = await response.json().catch(() => ({ detail: "The film cannot be drawn now.", remedy: "Load the page again." }));
    return `${detail} ${remedy}`;
  }

  // Of a slice its series, where that makes a volume; else what the file holds.
  async drawn(canvas, tools) {
    const { volume, plane, series } = this.root.dataset;
    if (Number(series) > 1) {
      const whole = await Drawn.open(canvas, tools, `${volume}?of=series`, plane).catch(() => null);
      if (whole) return whole;
    }
    return Drawn.open(canvas, tools, volume, plane);
  }

  // The pixels in place of the server's picture, where that can be.
  async sharpen() {
    const canvas = this.root.querySelector("canvas");
    const note = this.root.querySelector(".film-note");
    note.textContent = "The film is being read.";
    try {
      if (Number(this.root.dataset.longest) > edgeMax()) throw new Error("no WebGL, or not for so many pixels");
      const tools = await loadNiivue(this.root.dataset.viewer);
      canvas.hidden = false;
      const drawn = await this.drawn(canvas, tools);
      if (!this.root.isConnected) return drawn.close();
      const { low, high } = drawn.shape; // in the units of the volume; none where 8 bits are shown as they are
      if (high > low) {
        this.begin((low + high) / 2, high - low, this.look.slice);
      }
      if (this.slices === 1 && drawn.shape.slices > 1) {
        this.slices = drawn.shape.slices;
        this.start.slice = this.look.slice = this.told = drawn.shape.chosen - 1;
      }
      this.setRanges(...drawn.range);
      this.shown = drawn;
      canvas.addEventListener("webglcontextlost", () => !drawn.closed && this.lost(), { once: true });
      this.root.dataset.shownBy = "viewer";
      for (const part of this.root.querySelectorAll("[data-film-window]")) part.hidden = drawn.shape.colour;
      note.textContent = "";
    } catch (error) {
      canvas.hidden = true;
      console.info(`film: ${error.message}`);
      if (await this.showThumbnail()) return undefined;
      this.showPictures();
    }
    this.update();
    return undefined;
  }

  // In place of a picture that the server cannot draw, why it cannot, and what the index has. False where it can.
  async showThumbnail() {
    const why = await this.whyNoPicture();
    if (!why) return false;
    this.shown.close();
    this.shown = this.still;
    this.root.querySelector("canvas").hidden = true;
    this.root.dataset.shownBy = "thumbnail";
    this.root.querySelector(".film-note").textContent = `${why} What is shown is the thumbnail of the index.`;
    Object.assign(this.still.image, { src: this.root.dataset.thumbnail, alt: `Thumbnail: ${this.still.image.alt}` });
    this.still.image.style.transform = "";
    hide(this.root.querySelector(".film-controls"), true);
    return true;
  }

  showPictures() {
    this.shown = this.still;
    this.root.querySelector("canvas").hidden = true;
    this.root.querySelector(".film-note").textContent = "Each change is drawn by the server, because this browser cannot draw the pixels itself.";
    this.root.dataset.shownBy = "pictures";
  }

  // The graphics card was taken away: of a slice the file alone is left.
  lost() {
    this.slices = Number(this.root.dataset.frames);
    this.told = Number(this.root.dataset.told) - 1;
    this.look.slice = this.slices === 1 ? 0 : this.look.slice;
    this.beginAsServed();
    this.showPictures();
    this.update();
  }

  // What WebGL has drawn is gone once it is shown; paper gets a copy.
  copyForPaper() {
    if (this.shown === this.still) return;
    this.update();
    const { canvas } = this.shown;
    const paper = this.root.querySelector(".film-paper");
    Object.assign(paper, { width: canvas.width, height: canvas.height });
    paper.getContext("2d").drawImage(canvas, 0, 0);
  }

  update() {
    if (this.root.dataset.shownBy === "thumbnail") return; // there is nothing to window
    const { centre, width, slice } = this.look;
    const same = centre === this.start.centre && width === this.start.width;
    this.shown.draw({ ...this.look, frame: slice + 1, changed: !same });
    this.tellOfSlice(slice);
    for (const part of this.root.querySelectorAll("[data-film-slices]")) part.hidden = this.slices === 1;
    const part = this.slices > 1 ? `Slice ${slice + 1} of ${this.slices}. ` : "";
    this.root.querySelector("[data-film-words]").textContent = `${part}Window: centre ${centre}, width ${width}.`;
    const words = { centre: String(centre), width: String(width), slice: `${slice + 1} of ${this.slices}` };
    for (const [name, said] of Object.entries(words)) {
      const field = this.field(name);
      if (!field) continue;
      if (name === "slice") field.max = this.slices;
      field.value = name === "slice" ? slice + 1 : this.look[name];
      field.setAttribute("aria-valuetext", said);
      this.root.querySelector(`[data-film-value="${name}"]`).textContent = said;
    }
  }

  // Words of one slice never stand next to another: those of a file of its own are hidden, and so is its address. A file of
  // many slices has an address for each.
  tellOfSlice(slice) {
    const away = slice !== this.told;
    const whole = this.root.closest(".film");
    const file = Number(this.root.dataset.frames) > 1;
    const is = `What is written about the film is of slice ${this.told + 1}.`;
    this.root.querySelector("[data-film-beside]").textContent = away ? is : "";
    const back = this.root.querySelector("[data-film-do=told]");
    back.hidden = !away;
    back.textContent = `Show slice ${this.told + 1}${file ? "" : ", with its labels, report and link"}`;
    for (const part of whole.querySelectorAll("[data-film-told]")) hide(part, away && !file);
    for (const part of whole.querySelectorAll("[data-film-called]")) {
      const called = part.dataset.filmCalled.replace(/, frame \d+ of/, `, frame ${slice + 1} of`);
      if (part === this.picture) part.setAttribute("aria-label", called);
      else part.textContent = called;
    }
    if (file) this.follow(whole, slice);
  }

  follow(whole, slice) {
    const query = slice === this.told ? "" : `?frame=${slice + 1}`;
    const copied = whole.querySelector("[data-copy]");
    const full = whole.querySelector("[data-film-full]");
    copied.dataset.copy = copied.dataset.copy.split("?")[0] + query;
    if (full) full.href = copied.dataset.copy;
    const there = new URL(location.href);
    if (slice === Number(this.root.dataset.frame) - 1 && !this.followed) return;
    if (!there.pathname.startsWith("/films/") && !there.searchParams.has("film")) return;
    this.followed = true;
    there.searchParams.set("frame", slice + 1);
    clearTimeout(this.following); // browsers take only so many a second
    this.following = setTimeout(() => this.root.isConnected && history.replaceState(history.state, "", there), 400);
  }

  // Said once the hand rests: a slider says its own value.
  say() {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => {
      const { centre, width, slice, zoom } = this.look;
      const part = this.slices > 1 ? `Slice ${slice + 1} of ${this.slices}. ` : "";
      const place = document.getElementById("said");
      if (place) place.textContent = `${part}Centre ${centre}, width ${width}. Zoom ${zoom.toFixed(1)}.`;
    }, 400);
  }

  change(name, value) {
    const limits = { slice: [0, this.slices - 1], zoom: [ZOOM_MIN, ZOOM_MAX], ...this.limits }[name];
    const wanted = name === "centre" || name === "width" ? round(value, this.step) : value;
    this.look[name] = limits ? clamp(wanted, ...limits) : wanted;
    if (name === "zoom") this.pan(0, 0);
    this.update();
  }

  pan(across, down) {
    const { clientWidth, clientHeight } = this.picture;
    const free = (this.look.zoom - 1) / 2; // as far as the film reaches beyond its frame
    this.look.across = clamp(this.look.across + across, -free * clientWidth, free * clientWidth);
    this.look.down = clamp(this.look.down + down, -free * clientHeight, free * clientHeight);
  }

  reset() {
    this.look = { ...this.start };
    this.update();
    this.say();
  }

  drag(event) {
    const [across, down] = [event.clientX - this.from[0], event.clientY - this.from[1]];
    this.from = [event.clientX, event.clientY];
    const pans = event.shiftKey || this.root.querySelector("[data-film-tool=pan]")?.getAttribute("aria-pressed") === "true";
    if (pans) {
      this.pan(across, down);
      this.update();
      return;
    }
    const unit = this.limits.width[1] / 800; // the whole range takes as many pixels
    this.look.width = clamp(round(this.look.width + across * unit, this.step), ...this.limits.width);
    this.change("centre", this.look.centre + down * unit);
  }

  listen() {
    const { picture, root } = this;
    for (const name of ["centre", "width", "slice"]) {
      this.field(name)?.addEventListener("input", (event) => this.change(name, Number(event.target.value) - (name === "slice" ? 1 : 0)));
    }
    this.still.image.addEventListener("error", () => this.root.dataset.shownBy === "pictures" && this.showThumbnail());
    picture.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      this.from = [event.clientX, event.clientY];
      picture.setPointerCapture(event.pointerId);
    });
    picture.addEventListener("pointermove", (event) => this.from && this.drag(event));
    for (const end of ["pointerup", "pointercancel"]) {
      picture.addEventListener(end, () => {
        if (this.from) this.say();
        this.from = null;
      });
    }
    picture.addEventListener(
      "wheel",
      (event) => {
        if (document.activeElement !== picture) return; // a page that is scrolled shall not stop at a film
        event.preventDefault();
        const step = event.deltaY > 0 ? 1 : -1;
        if (this.slices > 1 && !event.ctrlKey) this.change("slice", this.look.slice + step);
        else this.change("zoom", this.look.zoom * ZOOM_STEP ** -step);
      },
      { passive: false },
    );
    picture.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-film-do]");
      if (!button) return;
      this.act(button.dataset.filmDo, button);
    });
  }

  act(name, button) {
    if (name === "reset") this.reset();
    else if (name === "told") {
      this.change("slice", this.told);
      this.picture.focus({ preventScroll: true });
    }
    else if (name === "tool") {
      for (const each of this.root.querySelectorAll("[data-film-tool]")) each.setAttribute("aria-pressed", String(each === button));
    } else {
      this.change("zoom", this.look.zoom * (name === "in" ? ZOOM_STEP : 1 / ZOOM_STEP));
      this.say();
    }
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const unit = Math.max(this.limits.width[1] / 100, this.step);
    const moves = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (moves && event.shiftKey) {
      this.pan(-40 * moves[0], 40 * moves[1]);
      this.update();
    } else if (moves) this.change(moves[0] ? "width" : "centre", this.look[moves[0] ? "width" : "centre"] + unit * (moves[0] || moves[1]));
    else if (event.key === "+" || event.key === "=") this.change("zoom", this.look.zoom * ZOOM_STEP);
    else if (event.key === "-") this.change("zoom", this.look.zoom / ZOOM_STEP);
    else if (event.key === "0") this.reset();
    else if (this.slices > 1 && (event.key === "PageUp" || event.key === "PageDown")) this.change("slice", this.look.slice + (event.key === "PageDown" ? 1 : -1));
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.say();
  }
}

let last = null;

addEventListener("beforeprint", () => last?.copyForPaper());

// Shows the film of `root`; the one that was shown before gives its memory back.
export function showFilm(root) {
  last?.shown.close();
  last = new Film(root);
  return last.sharpen();
}
