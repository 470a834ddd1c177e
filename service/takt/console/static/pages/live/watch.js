/** Watches a running stream: its newest frame, once the one before is shown. */
import { call, socketUrl } from "../../core/api.js";
import { lost } from "../../core/connection.js";

const AGAIN_MS = 1000;
const NORMAL = 1000;

/**
 * Watches; `onFrame` may take its time, and hears of no other frame meanwhile. `onState` hears `{ stream }`, `{ error }` and
 * `{ away: true }`, after which it goes on with the stream, or hears `{ next }`, the id of another one of its place, and no more.
 * Returns how to stop.
 */
export function watch(id, { onFrame, onState, pauseMs = 0 }) {
  let [socket, stream, over] = [null, null, false];
  const later = (fn, afterMs) => setTimeout(() => over || fn(), afterMs);

  function open() {
    let [message, parts] = [null, []];
    const mine = (socket = new WebSocket(socketUrl(`/v1/streams/${encodeURIComponent(id)}/watch`)));
    mine.onmessage = async ({ data }) => {
      if (typeof data !== "string") parts.push(data);
      else [message, parts] = [JSON.parse(data), []];
      const { type, frame, picture } = message;
      if (type === "watching") onState({ stream: (stream = message.stream) });
      if (type === "error") onState({ error: message });
      if (type !== "frame" || parts.length < !!picture + !!frame.heatmap) return;
      const blob = (kind) => kind && parts.shift().slice(0, undefined, kind);
      const blobs = { picture: blob(picture?.media_type), heatmap: blob(frame.heatmap && `image/${frame.heatmap.format}`) };
      await onFrame({ ...message, outcome: frame, stream, ...blobs });
      later(() => mine.readyState === WebSocket.OPEN && mine.send('{"type":"shown"}'), pauseMs);
    };
    mine.onclose = ({ code }) => {
      if (over) return;
      if (code !== NORMAL && stream) lost();
      onState({ away: true });
      later(find, AGAIN_MS);
    };
  }

  async function find() {
    const all = await call("list_streams").then(({ streams }) => streams, () => []);
    if (over) return;
    const next = all.find((one) => stream && placeOf(one) === placeOf(stream));
    if (all.some((one) => one.id === id)) open();
    else if (next) onState({ next: next.id });
    else later(find, AGAIN_MS);
  }

  open();
  return () => ((over = true), socket.close(NORMAL));
}

/** Where a stream comes from: the next one from there goes on with its shift. */
export const placeOf = ({ station, model, caller }) => station ?? `${model} (${caller})`;
