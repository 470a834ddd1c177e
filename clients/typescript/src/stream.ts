/** A stream of frames over one WebSocket. */

import type { Heatmap, Inspection, PartResult } from "./answers.ts";
import { inspectionOf, resultOf } from "./answers.ts";
import type { InspectOptions, Picture } from "./client.ts";
import { isProblem, mistake, TaktError, unreachable, unreadable } from "./errors.ts";

/** Pixels as a camera gives them: rows from the top, without padding. */
export interface RawPicture {
  pixels: Uint8Array<ArrayBuffer>;
  width: number;
  height: number;
  format: "rgb8" | "bgr8" | "mono8";
}

/** Which view of which part a frame shows, and by which recipe it is inspected. */
export interface FrameViewChoices {
  part: string;
  /** Its name in the recipe. */
  view: string;
  /** Name of the recipe, the same with all views of a part. */
  recipe: string;
  /** Whether the id stands for another part than the one that has just ended. */
  again?: boolean;
  station?: string;
  lot?: string;
  tags?: Record<string, string>;
}

/**
 * A frame that shows a view of a part: it is inspected by the part's recipe, and never dropped.
 *
 *     { picture, view: { part: "A-17", view: "top", recipe: "bracket" } }
 */
export interface ViewFrame {
  picture: Picture | RawPicture;
  view: FrameViewChoices;
}

export type StreamFrame = Picture | RawPicture | ViewFrame;

/** Options of a stream; the server chooses those that are left out. */
export interface StreamOptions extends Omit<InspectOptions, "version"> {
  /** `all` answers every frame; `latest` drops older frames while the engine is busy. */
  policy?: "all" | "latest";
  /** Anomalous if k of the last n frames are. */
  vote?: { k: number; n: number };
  /** Weight of the newest score in the smoothed one, above 0 and up to 1. */
  smoothing?: number;
}

/** Verdict of the last frames together. */
export interface Vote {
  anomalous: boolean;
  count: number;
  of: number;
  /** Those of the counted ones that could not be judged; servers before API 2.10 do not tell. */
  undecided?: number;
}

/** The part that a frame shows a view of. */
export interface FrameView {
  part: string;
  /** Tells it from other parts of this id. */
  number: number;
  recipe: string;
  /** Of the recipe, for all views of the part. */
  revision: number;
  view: string;
  /** Of the part, if this view was inspected last; else null. */
  result: PartResult | null;
}

/** Answer to a frame; frames are numbered from 0 in the order of sending. */
export interface FrameAnswer extends Inspection {
  type: "answer";
  sequence: number;
  /** From the frame's arrival at the server to its answer. */
  age_ms: number;
  /** Frames of this session that were dropped so far. */
  dropped: number;
  /** Null without smoothing, and of a view. */
  smoothed_score: number | null;
  /** Null without a vote, and of a view. */
  vote: Vote | null;
  /** Of a part that the frame shows, as it was sent; else null. */
  view: FrameView | null;
}

/** A frame that cannot be answered, in its place in the order. */
export interface Refused {
  type: "refused";
  sequence: number;
  error: TaktError;
}

/** A frame that a newer one replaced. */
export interface Dropped {
  type: "dropped";
  sequence: number;
  dropped: number;
}

export type StreamItem = FrameAnswer | Refused | Dropped;

/** Counts of a session, by the server. */
export interface StreamStats {
  frames: number;
  answered: number;
  errors: number;
  dropped: number;
  anomalous: number;
  /** Those of the anomalous that could not be judged; servers before API 2.10 do not tell. */
  undecided?: number;
  seconds: number;
  frames_per_s: number;
}

/** Opens the WebSocket. */
export type Connect = () => Promise<WebSocket>;

const PIXEL_CODES = { rgb8: 1, bgr8: 2, mono8: 3 };
const HEADER_BYTES = 32;
const HANDSHAKE_MS = 10_000;

type Message = Record<string, unknown>;

/**
 * Sends frames and iterates over an item for each, once.
 *
 * No more frames are on their way than the server grants. A lost connection ends the stream with an
 * error; leaving the loop closes it.
 */
export class TaktStream implements AsyncIterable<StreamItem> {
  /** The server's counts; undefined until the iteration has ended. */
  stats: StreamStats | undefined;

  readonly #connect: Connect;
  readonly #frames: Iterable<StreamFrame> | AsyncIterable<StreamFrame>;
  readonly #hello: Message;
  readonly #signal: AbortSignal | undefined;
  readonly #whyNot: () => Promise<TaktError>;

  constructor(
    connect: Connect,
    frames: Iterable<StreamFrame> | AsyncIterable<StreamFrame>,
    options: StreamOptions,
    whyNot: () => Promise<TaktError>,
  ) {
    const { signal, ...choices } = options;
    this.#connect = connect;
    this.#frames = frames;
    this.#hello = { type: "hello", ...choices };
    this.#signal = signal;
    this.#whyNot = whyNot;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StreamItem, void, undefined> {
    this.#signal?.throwIfAborted();
    const socket = await this.#connect();
    const inbox = new Inbox(socket, this.#signal);
    const credits = new Credits();
    try {
      if (!(await inbox.opened())) throw await this.#whyNot();
      socket.send(JSON.stringify(this.#hello));
      const welcome = await inbox.message();
      if (isProblem(welcome)) throw new TaktError(welcome);
      if (welcome["type"] !== "welcome") throw unreadable("no welcome", JSON.stringify(welcome));
      credits.give(Number(welcome["credits"]));
      this.#feed(socket, credits).catch((error: unknown) => inbox.fail(error));
      yield* this.#items(inbox, credits);
    } finally {
      inbox.close();
      credits.end();
    }
  }

  async *#items(inbox: Inbox, credits: Credits): AsyncGenerator<StreamItem, void, undefined> {
    for (;;) {
      const message = await inbox.message();
      const sequence = Number(message["sequence"]);
      switch (message["type"]) {
        case "answer": {
          const announced = message["heatmap"] as Omit<Heatmap, "data"> | null;
          const heatmap = announced && { ...announced, data: await inbox.bytes() };
          credits.give();
          const answer = message as unknown as FrameAnswer;
          yield { ...answer, ...inspectionOf(message, heatmap), view: viewOf(answer.view) };
          break;
        }
        case "error":
          if (!isProblem(message)) throw unreadable("no problem", JSON.stringify(message));
          if (typeof message["sequence"] !== "number") throw new TaktError(message);
          credits.give();
          yield { type: "refused", sequence, error: new TaktError(message) };
          break;
        case "dropped":
          credits.give();
          yield { type: "dropped", sequence, dropped: Number(message["dropped"]) };
          break;
        case "bye":
          this.stats = message["stats"] as StreamStats;
          return;
        default:
          throw unreadable("a message of no known type", JSON.stringify(message));
      }
    }
  }

  async #feed(socket: WebSocket, credits: Credits): Promise<void> {
    let sequence = 0n;
    for await (const frame of this.#frames) {
      const view = "view" in frame ? frame.view : undefined;
      const data = await packed(sequence, "view" in frame ? frame.picture : frame);
      await credits.take();
      // Returning lets the frames go, which may come from a camera.
      if (socket.readyState !== WebSocket.OPEN) return;
      if (view) socket.send(JSON.stringify({ type: "view", ...view }));
      socket.send(data);
      sequence += 1n;
    }
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "bye" }));
  }
}

/** Of a part that a frame shows; servers before API 2.10 know no views. */
function viewOf(view: FrameView | null | undefined): FrameView | null {
  return view ? { ...view, result: resultOf(view.result) } : null;
}

/** A frame on the wire: a header of 32 bytes, and the picture. */
async function packed(sequence: bigint, frame: Picture | RawPicture): Promise<Uint8Array<ArrayBuffer>> {
  const raw = "pixels" in frame ? frame : undefined;
  const picture = raw ? raw.pixels : await bytesOf(frame as Picture);
  const data = new Uint8Array(HEADER_BYTES + picture.byteLength);
  const header = new DataView(data.buffer);
  header.setUint16(0, 0x544b); // "TK"
  header.setUint8(2, 1);
  header.setUint8(3, raw ? PIXEL_CODES[raw.format] : 0);
  header.setBigUint64(8, sequence, true);
  header.setBigUint64(16, BigInt(Date.now()) * 1000n, true);
  header.setUint32(24, raw?.width ?? 0, true);
  header.setUint32(28, raw?.height ?? 0, true);
  data.set(picture, HEADER_BYTES);
  return data;
}

async function bytesOf(picture: Picture): Promise<Uint8Array<ArrayBuffer>> {
  if (picture instanceof Blob) return new Uint8Array(await picture.arrayBuffer());
  if (picture instanceof ArrayBuffer) return new Uint8Array(picture);
  if (ArrayBuffer.isView(picture)) {
    return new Uint8Array(picture.buffer, picture.byteOffset, picture.byteLength);
  }
  throw mistake("a frame is neither a Blob nor bytes nor pixels with width, height and format");
}

/** How many more frames may be on their way. */
class Credits {
  #free = 0;
  #wake: () => void = () => {};

  give(more = 1): void {
    this.#free += more;
    this.#wake();
  }

  /** Let whoever waits go on, and find the connection closed. */
  end(): void {
    this.give(Infinity);
  }

  async take(): Promise<void> {
    while (this.#free < 1) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#free -= 1;
  }
}

/** What arrives at a WebSocket, to be awaited one after another. */
class Inbox {
  readonly #socket: WebSocket;
  readonly #signal: AbortSignal | undefined;
  readonly #arrived: (string | ArrayBuffer)[] = [];
  #open = false;
  #failure: unknown;
  #over = false;
  #wake: () => void = () => {};

  constructor(socket: WebSocket, signal: AbortSignal | undefined) {
    this.#socket = socket;
    this.#signal = signal;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#open = true;
      this.#wake();
    };
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      this.#arrived.push(event.data);
      this.#wake();
    };
    socket.onclose = (event) => {
      const reason = `the connection was closed with ${event.code} ${event.reason}`.trim();
      this.fail(unreachable(socket.url, reason));
    };
    socket.onerror = () => {
      // It says nothing; of a connection that was open, the close event says more.
      if (!this.#open) this.fail(unreachable(socket.url, "no WebSocket could be opened"));
    };
    signal?.addEventListener("abort", this.#aborted);
  }

  readonly #aborted = (): void => this.fail(this.#signal?.reason);

  /** Whether the handshake succeeded. */
  async opened(): Promise<boolean> {
    const timer = setTimeout(() => this.fail(unreachable(this.#socket.url, "silence")), HANDSHAKE_MS);
    try {
      while (!this.#open && !this.#over) await this.#next();
    } finally {
      clearTimeout(timer);
    }
    this.#signal?.throwIfAborted();
    return this.#open;
  }

  /** The next message as JSON. */
  async message(): Promise<Message> {
    const data = await this.#data();
    if (typeof data !== "string") throw unreadable("bytes that no answer announced", "");
    try {
      return JSON.parse(data) as Message;
    } catch {
      throw unreadable("a message that is no JSON", data);
    }
  }

  /** The next message as bytes. */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const data = await this.#data();
    if (typeof data === "string") throw unreadable("no heatmap, though one was announced", data);
    return new Uint8Array(data);
  }

  /** Let all who wait fail, once what has arrived is read. */
  fail(error: unknown): void {
    if (!this.#over) this.#failure = error;
    this.#over = true;
    this.#wake();
  }

  close(): void {
    this.#signal?.removeEventListener("abort", this.#aborted);
    this.fail(undefined);
    this.#socket.close(1000);
  }

  async #data(): Promise<string | ArrayBuffer> {
    for (;;) {
      const data = this.#arrived.shift();
      if (data !== undefined) return data;
      if (this.#over) throw this.#failure;
      await this.#next();
    }
  }

  #next(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
