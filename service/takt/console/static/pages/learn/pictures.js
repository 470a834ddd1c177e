/** The pictures of a learning: files, this browser's camera, and what the record has of good parts. */
import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { returned } from "../../core/connection.js";
import { bytes, count } from "../../core/format.js";
import { fill, t } from "../../core/strings.js";
import { Notice, Problem } from "../../parts/notice.js";
import { droppedFiles } from "../live/source.js";

const AT_ONCE = 3;

/** Gathers pictures until somebody starts; also after a learning has failed, which keeps them. */
export function Gathering({ job, data: { bounds }, again, end }) {
  const [over, setOver] = useState(false);
  const [camera, setCamera] = useState(false);
  const [recorded, setRecorded] = useState(null);
  const [error, setError] = useState(null);
  const { sent, all, refused, send } = useSending(job, again);
  const path = { id: job.id };
  const act = (work) => () => (setError(null), work().then(again, setError));
  const drag = (event) => (event.preventDefault(), setOver(event.type === "dragover"));
  const drop = async (event) => (drag(event), send(await droppedFiles(event.dataTransfer)));
  const choose = (event) => (send([...event.target.files]), (event.target.value = ""));
  const button = (text, onClick, more) => html`<button type="button" class="button" onClick=${onClick} ...${more}>${text}</button>`;
  return html`<section class="card learn" onDragOver=${drag} onDragLeave=${drag} onDrop=${drop}>
    <h2>${fill(job.update ? t.learn.headingUpdate : t.learn.heading, job)}</h2>
    ${job.error && html`<${Notice} tone="defect" title=${t.learn.failed}><p>${job.error}</p><p>${t.learn.failedDetail}</p><//>`}
    ${end && html`<label class=${over ? "drop over" : "drop"}>${t.learn.drop}
        <input type="file" multiple accept="image/*,.tif,.tiff" aria-label=${t.learn.files} onChange=${choose} /></label>
      <div class="row">${button(t.learn.camera, () => setCamera(!camera), { "aria-pressed": camera })}
        ${button(t.learn.record, act(async () => setRecorded(await call("give_recorded_pictures", { path }))))}</div>
      ${camera && html`<${Camera} take=${(picture) => send([picture])} />`}`}
    <p aria-live="polite"><strong>${fill(t.learn.have, { count: count(job.pictures), size: bytes(job.bytes) })}</strong> ${[
      job.duplicates > 0 && fill(t.learn.duplicates, { count: job.duplicates }), sent < all && fill(t.learn.sending, { sent, all }),
      recorded && fill(t.learn.recorded, recorded), recorded?.full].filter(Boolean).join(" ")}</p>
    <p class="quiet">${fill(t.learn.bounds, { count: count(bounds.pictures), size: bytes(bounds.bytes) })}</p>
    ${refused.length > 0 && html`<${Notice} tone="near" title=${t.learn.refused}>${refused.map((line) => html`<p>${line}</p>`)}<//>`}
    <${Problem} error=${error} />
    ${end && html`<div class="row">
      ${button(t.learn.start, act(() => call("start_learning", { path })), { class: "button primary", disabled: !job.pictures || sent < all })}
      ${button(t.learn.discard, act(end))}</div>`}
  </section>`;
}

/** Sends files a few at a time: `{ sent, all, refused, send }`; what is refused is told by its name, and an outage is waited for. */
function useSending(job, again) {
  const [state, setState] = useState({ sent: 0, all: 0, refused: [] });
  const [stop] = useState(() => new AbortController());
  useEffect(() => () => stop.abort(), []);
  const give = async (file) => {
    const asked = { path: { id: job.id }, query: { name: file.name.slice(-200) }, signal: stop.signal };
    const given = async () => call("give_picture", { ...asked, body: new Blob([await file.arrayBuffer()]) }); // a file may be gone
    const refused = await given().then(() => [], (error) => (error.code === "away" ? null : [`${file.name}: ${error.message}`]));
    if (refused === null) return returned().then(() => stop.signal.aborted || give(file));
    setState((now) => ({ ...now, sent: now.sent + 1, refused: [...now.refused, ...refused] }));
  };
  const send = async (files) => {
    setState((now) => ({ all: now.all - now.sent + files.length, sent: 0, refused: [] }));
    const worker = async () => {
      while (files.length > 0 && !stop.signal.aborted) await give(files.shift());
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    again();
  };
  return { ...state, send };
}

/** This browser's camera; each press takes a picture. */
function Camera({ take }) {
  const video = useRef(null);
  const [ready, setReady] = useState(false);
  const [error, setError] = useState(null);
  useEffect(() => {
    const opened = navigator.mediaDevices?.getUserMedia({ video: { width: { ideal: 4096 } } });
    if (!opened) setError(new Error(t.learn.insecure));
    opened?.then((stream) => video.current && (video.current.srcObject = stream), setError);
    return () => opened?.then((stream) => stream.getTracks().forEach((track) => track.stop()), () => {});
  }, []);
  const shoot = async () => {
    const canvas = new OffscreenCanvas(video.current.videoWidth, video.current.videoHeight);
    canvas.getContext("2d").drawImage(video.current, 0, 0);
    take(new File([await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 })], "camera.jpg"));
  };
  if (error) return html`<${Problem} error=${error} />`;
  return html`<video ref=${video} autoplay muted playsinline aria-label=${t.learn.camera} onPlaying=${() => setReady(true)}></video>
    <p><button type="button" class="button primary" disabled=${!ready} onClick=${shoot}>${t.learn.shoot}</button></p>`;
}
