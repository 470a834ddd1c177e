/** Sends the frames of a source over a stream of this page, each once; goes on where a lost connection left off. */
import { socketUrl } from "../../core/api.js";
import { lost, onReturn } from "../../core/connection.js";

const AGAIN_MS = 1000;
const [NORMAL, POLICY_VIOLATION, TRY_AGAIN_LATER] = [1000, 1008, 1013];
const COUNT = { answer: "answered", error: "errors", dropped: "dropped" };

/**
 * Sends what `source(signal)` yields. `onFrame` hears each answer with its picture, `onState` hears `{ stream }`, `{ error }`,
 * `{ away: true }` and `{ done }` with the counts. Returns how to stop.
 */
export function send({ model, policy, source, station }, { onFrame, onState }) {
  const hello = { type: "hello", policy, heatmap: "overlay", station, priority: policy === "all" ? "bulk" : "line" };
  const counts = { frames: 0, answered: 0, errors: 0, dropped: 0, anomalous: 0, undecided: 0 };
  const [pending, stopping] = [new Map(), new AbortController()];
  let [socket, stream, last, ended, wake] = [null, null, null, false, () => {}];
  const over = () => stopping.signal.aborted;
  const say = (message) => socket.send(JSON.stringify(message));

  function open() {
    let answer = null;
    socket = new WebSocket(socketUrl(`/v1/models/${encodeURIComponent(model)}/stream`));
    socket.onopen = () => say({ ...hello, session: stream?.session, last_sequence: last });
    socket.onmessage = ({ data }) => {
      const message = typeof data === "string" ? JSON.parse(data) : null;
      if (!message) settle(answer, data);
      else if (message.type === "welcome") welcome(message);
      else if (message.heatmap) answer = message;
      else if (message.sequence !== undefined) settle(message, null);
      else if (message.type === "error") onState({ error: message });
    };
    socket.onclose = ({ code }) => {
      if (over()) return;
      if (code === POLICY_VIOLATION) return stop();
      onState({ away: true });
      if (code === TRY_AGAIN_LATER) setTimeout(() => over() || open(), AGAIN_MS);
      else lost();
    };
  }

  function welcome(message) {
    const first = stream === null;
    onState({ stream: (stream = { ...message, id: message.session.slice(0, 8), station }) });
    for (const [number, frame] of pending) if (number >= message.next_sequence) transmit(number, frame);
    if (first) pump().catch((error) => (onState({ error }), stop()));
  }

  async function pump() {
    for await (const frame of source(stopping.signal)) {
      while (pending.size >= stream.credits && !over()) await new Promise((resolve) => (wake = resolve));
      if (over()) return;
      pending.set(counts.frames, frame);
      if (socket.readyState === WebSocket.OPEN) transmit(counts.frames, frame);
      counts.frames += 1;
    }
    ended = true;
    finish();
  }

  function transmit(number, { picture, name }) {
    const header = new DataView(new ArrayBuffer(32));
    header.setUint32(0, 0x544b0100);
    header.setBigUint64(8, BigInt(number), true);
    header.setBigUint64(16, BigInt(Date.now()) * 1000n, true);
    if (name) say({ type: "part", part: name.slice(-128) });
    socket.send(new Blob([header, picture]));
  }

  function settle(outcome, heatmap) {
    const frame = pending.get(outcome.sequence);
    if (!pending.delete(outcome.sequence)) return;
    counts[COUNT[outcome.type]] += 1;
    counts.anomalous += Boolean(outcome.anomalous);
    counts.undecided += Boolean(outcome.undecided);
    wake();
    if (outcome.type !== "dropped") {
      last = outcome.sequence;
      onFrame({ outcome, heatmap, picture: frame.picture, counts: { ...counts }, skipped: [], stream });
    }
    finish();
  }

  function finish() {
    if (!ended || pending.size || over()) return;
    say({ type: "bye" });
    onState({ done: counts });
    stopping.abort();
  }

  const forget = onReturn(() => over() || socket.readyState !== WebSocket.CLOSED || open());
  const stop = () => (stopping.abort(), forget(), wake(), socket.close(NORMAL));
  open();
  return stop;
}
