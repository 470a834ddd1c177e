/** Where frames of this page come from: the browser's camera, videos, pictures. A source yields `{ picture, name }`. */
const SAME_FRAME_MS = 500;
const FIRST_STEP_S = 1 / 120;
const pause = () => new Promise((resolve) => setTimeout(resolve, SAME_FRAME_MS));

/** Pictures as they are, in the order of their names; a video among them frame by frame. */
export const filesSource = (files) => async function* (signal) {
  for (const file of [...files].sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }))) {
    if (file.type.startsWith("video/")) yield* framesOf({ src: URL.createObjectURL(file) }, file.name, signal, stepThrough);
    else if (file.type.startsWith("image/")) yield { picture: file, name: file.name };
  }
};

/** The newest frame of the browser's camera, whenever one is asked for. */
export async function* cameraSource(signal) {
  const srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, frameRate: { ideal: 30 } } });
  yield* framesOf({ srcObject }, "", signal, (video) => (video.play(), async () => (await presented(video), true)));
}

async function* framesOf(from, name, signal, walk) {
  const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, ...from });
  const worker = new Worker(new URL("./encoder.js", import.meta.url));
  const encoded = (frame) => new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.postMessage(frame, [frame]);
  });
  const release = () => {
    worker.terminate();
    from.srcObject?.getTracks().forEach((track) => track.stop());
    if (from.src) URL.revokeObjectURL(from.src);
  };
  signal.addEventListener("abort", release, { once: true });
  try {
    await new Promise((resolve, reject) => {
      Object.assign(video, { onloadeddata: resolve, onerror: () => reject(new Error(`${name}: ${video.error.message}`)) });
    });
    const next = walk(video, signal);
    // A frame as the decoder has it is read by the worker; a bitmap would be read here.
    const frameOf = () => (globalThis.VideoFrame ? new VideoFrame(video) : createImageBitmap(video));
    while ((await next()) && !signal.aborted) yield { picture: await encoded(await frameOf()), name };
  } finally {
    release();
  }
}

/** Steps through every frame once, since what plays drops frames; the shortest step so far finds the next one. */
function stepThrough(video, signal) {
  let [at, step] = [null, Infinity];
  return async () => {
    if (at === null) return (at = (await sought(video, 0, signal)) ?? 0) >= 0;
    const [small, more] = step < Infinity ? [step, step / 2] : [FIRST_STEP_S, FIRST_STEP_S];
    let [to, next] = [at + 1.1 * small - more, undefined];
    do next = await sought(video, (to += more), signal);
    while (!(next > at) && to < video.duration && !signal.aborted);
    if (!(next > at)) return false;
    [at, step] = [next, Math.min(step, next - at)];
    return true;
  };
}

/** Shows a moment of a video; gives when its frame begins, or undefined where it is the one before. */
async function sought(video, at, signal) {
  while (document.hidden && !signal.aborted) await pause();
  const settled = new Promise((resolve) => (video.onseeked = resolve));
  const frame = presented(video);
  video.currentTime = Math.min(at, video.duration);
  const time = await Promise.race([frame, settled.then(pause)]);
  // A page that nobody sees is shown no frames.
  return time === undefined && document.hidden && !signal.aborted ? sought(video, at, signal) : time;
}

const presented = (video) => new Promise((resolve) => video.requestVideoFrameCallback((_, { mediaTime }) => resolve(mediaTime)));

/** The files of a drop, those in folders, too. */
export async function droppedFiles({ items, files }) {
  const entries = [...items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  return entries.length ? (await Promise.all(entries.map(within))).flat() : [...files];
}

async function within(entry) {
  if (entry.isFile) return new Promise((resolve, reject) => entry.file(resolve, reject));
  const [reader, found] = [entry.createReader(), []];
  for (let some = [null]; some.length; found.push(...some)) some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  return (await Promise.all(found.map(within))).flat();
}
