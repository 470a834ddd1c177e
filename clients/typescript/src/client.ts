/** The calls of the REST API. */

import type {
  Heatmap,
  Inspected,
  Model,
  Part,
  Recipe,
  RecipeRevision,
  Station,
  StationStanding,
  ViewInspected,
} from "./answers.ts";
import { inspectionOf, partOf, resultOf } from "./answers.ts";
import { errorOf, mistake, overdue, TaktError, unreachable, unreadable } from "./errors.ts";
import type { Connect, StreamFrame, StreamOptions } from "./stream.ts";
import { TaktStream } from "./stream.ts";

/** An encoded picture (JPEG, PNG, …), as a file input, a canvas's `toBlob` or a disk gives it. */
export type Picture = Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer>;

export interface ClientOptions {
  /** API key; a browser exchanges it for a session's cookie before it opens a stream. */
  key?: string | undefined;
  /** Longest wait for an answer, in milliseconds; 30,000 unless given. */
  timeoutMs?: number | undefined;
}

/** Options of a picture; the server chooses those that are left out. */
export interface InspectOptions {
  /** Of the model; else the active one. */
  version?: string;
  heatmap?: "none" | "map" | "overlay" | "raw";
  format?: "png" | "jpeg" | "webp";
  /** Instead of the model's, for this verdict. */
  threshold?: number;
  /** Instead of the model's, for these regions and this verdict. */
  pixel_threshold?: number;
  /** After which the server gives up; a tenth sooner than this client unless given. */
  timeout_ms?: number;
  /** `line` goes before `bulk` where both wait. */
  priority?: "line" | "bulk";
  /** Where the picture was taken; this and what follows is for the server's record. */
  station?: string;
  /** Id of the part that the picture shows. */
  part?: string;
  /** The lot that the part belongs to. */
  lot?: string;
  /** Anything else, as names and values. */
  tags?: Record<string, string>;
  /** Ends the call; it then throws what the signal was aborted with. */
  signal?: AbortSignal;
}

/** Options of a view; the server chooses those that are left out. */
export interface ViewOptions
  extends Omit<InspectOptions, "version" | "threshold" | "pixel_threshold" | "part"> {
  /** Name of the part's recipe, the same with all of its views. */
  recipe: string;
  /** Whether the id stands for another part than the one that has just ended. */
  again?: boolean;
}

/** A view of a recipe that is saved. */
export interface RecipeViewChoices {
  /** Tells it from the other views. */
  name: string;
  model: string;
  /** Else the one that is active, which is kept. */
  version?: string;
  /** Set by hand, which promises nothing; else those that the model's calibration gives. */
  thresholds?: { image: number; pixel: number };
  /** Settings of the camera, for whoever takes the picture. */
  camera?: Record<string, string | boolean | number>;
}

/** What a recipe is to say. */
export interface RecipeChoices {
  /** Names it to a PLC; of no other recipe. */
  number: number;
  /** Time from a part's first view to its result. */
  deadline_ms: number;
  views: RecipeViewChoices[];
  /** Share of good parts that all views together may reject; 0.01 unless given. */
  alpha?: number;
  /** Patterns of the codes of its parts, each of no other recipe. */
  codes?: string[];
  /**
   * That is changed, 0 for a recipe that is to be new: `recipe_changed` where another one is there
   * by now. Without it whatever is there is replaced.
   */
  revision?: number;
  /** Why, for the record and the audit log. */
  reason?: string;
}

const LONGEST_TIMEOUT_MS = 3_600_000;
const SERVER_GIVES_UP_AT = 0.9;
const JSON_ANSWER = { accept: "application/json" };
const NODE = Boolean(
  (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node,
);

/**
 * A Takt server. Methods throw a `TaktError`; nothing is tried again.
 *
 *     const takt = new TaktClient("http://127.0.0.1:8000", { key });
 *     const answer = await takt.inspect("pitting", file, { heatmap: "overlay" });
 *     if (answer.anomalous) console.log(answer.score, answer.regions);
 */
export class TaktClient {
  readonly url: string;
  readonly #key: string | undefined;
  readonly #timeoutMs: number;

  constructor(url: string, options: ClientOptions = {}) {
    if (!/^https?:\/\/[^?#]+$/i.test(url) || !URL.canParse(url)) {
      throw mistake(`${JSON.stringify(url)} is no URL of a server; give http://HOST:PORT`);
    }
    const key = options.key?.trim();
    if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) {
      throw mistake("the API key is empty, or has characters that no key has (it is not shown)");
    }
    const timeoutMs = options.timeoutMs ?? 30_000;
    if (!(timeoutMs > 0 && timeoutMs <= LONGEST_TIMEOUT_MS)) {
      throw mistake(`timeoutMs is ${timeoutMs}; it is over 0 and up to ${LONGEST_TIMEOUT_MS}`);
    }
    this.url = url.replace(/\/+$/, "");
    this.#key = key;
    this.#timeoutMs = timeoutMs;
  }

  /** Inspect a picture. */
  async inspect(model: string, picture: Picture, options: InspectOptions = {}): Promise<Inspected> {
    const { version, signal, ...choices } = options;
    return inspectedOf(await this.#send(`${modelPath(model, version)}/inspect`, picture, choices, signal));
  }

  /**
   * Inspect a view of a part, which begins with its first view and has one result.
   *
   *     const { result } = await takt.inspectView("A-17", "top", file, { recipe: "bracket" });
   *     if (result) console.log(result.verdict);
   */
  async inspectView(
    part: string,
    view: string,
    picture: Picture,
    options: ViewOptions,
  ): Promise<ViewInspected> {
    const { signal, ...choices } = options;
    const path = `${partPath(part)}/views/${encodeURIComponent(view)}`;
    const answer = await this.#send(path, picture, choices, signal);
    const inspection = answer["inspection"] as Record<string, unknown> | undefined;
    if (!inspection) throw unreadable("no inspection of a view", JSON.stringify(answer));
    return {
      ...(answer as unknown as ViewInspected),
      inspection: inspectedOf(inspection),
      result: resultOf(answer["result"]),
    };
  }

  /** What a part waits for, or what became of it; waited for within the client's timeout. */
  async part(part: string, options: { number?: number; waitMs?: number } = {}): Promise<Part> {
    const longest = SERVER_GIVES_UP_AT * this.#timeoutMs;
    const wait_ms = options.waitMs === undefined ? undefined : Math.min(options.waitMs, longest);
    const query = queryOf({ number: options.number, wait_ms });
    return partOf(await this.#ask(`${partPath(part)}${query}`));
  }

  /** End a part now; views that are missing make it undecided. With `recipe` also one of which no view came. */
  async endPart(part: string, options: { recipe?: string; station?: string; lot?: string } = {}): Promise<Part> {
    return partOf(await this.#ask(`${partPath(part)}/end${queryOf(options)}`, { method: "POST" }));
  }

  /** The recipes as they are, by name; or the one of a number, if there is one. */
  async recipes(options: { number?: number } = {}): Promise<Recipe[]> {
    const answer = await this.#ask(`/v1/recipes${queryOf(options)}`);
    if (!Array.isArray(answer["recipes"])) {
      throw unreadable("no list of recipes", JSON.stringify(answer));
    }
    return answer["recipes"];
  }

  /** A recipe as it is, or as it was at a revision. */
  async recipe(name: string, options: { revision?: number } = {}): Promise<Recipe> {
    return recipeOf(await this.#ask(`${recipePath(name)}${queryOf(options)}`));
  }

  /** What a recipe has been, the latest revision first, also of one that was removed. */
  async recipeRevisions(
    name: string,
    options: { before?: number; limit?: number } = {},
  ): Promise<RecipeRevision[]> {
    const answer = await this.#ask(`${recipePath(name)}/revisions${queryOf(options)}`);
    if (!Array.isArray(answer["revisions"])) {
      throw unreadable("no list of revisions", JSON.stringify(answer));
    }
    return answer["revisions"];
  }

  /**
   * Save a recipe, as a new revision; parts that have begun keep the one that they have.
   *
   *     const { name, revision, number, deadline_ms } = await takt.recipe("bracket");
   *     await takt.saveRecipe(name, { revision, number, deadline_ms, views, reason: "a second camera" });
   */
  async saveRecipe(name: string, choices: RecipeChoices): Promise<Recipe> {
    const body = JSON.stringify(choices);
    const headers = { "content-type": "application/json" };
    return recipeOf(await this.#ask(recipePath(name), { method: "PUT", body, headers }));
  }

  /** Remove a recipe; parts that have begun keep it. */
  async removeRecipe(
    name: string,
    options: { revision?: number; reason?: string } = {},
  ): Promise<void> {
    await this.#ask(`${recipePath(name)}${queryOf(options)}`, { method: "DELETE" });
  }

  /** The stations that say how they fare, by name. */
  async stations(): Promise<StationStanding[]> {
    const answer = await this.#ask("/v1/stations");
    if (!Array.isArray(answer["stations"])) {
      throw unreadable("no list of stations", JSON.stringify(answer));
    }
    return answer["stations"];
  }

  /** A station with its last results. */
  async station(name: string): Promise<Station> {
    const answer = await this.#ask(`/v1/stations/${encodeURIComponent(name)}`);
    return answer["station"] as unknown as Station;
  }

  /** Every model of the server. */
  async models(): Promise<Model[]> {
    const answer = await this.#ask("/v1/models");
    if (!Array.isArray(answer["models"])) throw unreadable("no list of models", JSON.stringify(answer));
    return answer["models"];
  }

  /** One model and its versions. */
  async model(name: string): Promise<Model> {
    return (await this.#ask(modelPath(name))) as unknown as Model;
  }

  /**
   * Exchange the key for a session: a cookie that the browser then sends with everything that this
   * page loads from the server, `<img>` and WebSockets included. No script can read it.
   */
  async signIn(): Promise<void> {
    await this.#ask("/v1/session", { method: "POST" });
  }

  /**
   * Stream frames; iterating yields an item for each.
   *
   *     const stream = takt.stream("pitting", frames, { vote: { k: 2, n: 3 } });
   *     for await (const item of stream) { … }
   */
  stream(
    model: string,
    frames: Iterable<StreamFrame> | AsyncIterable<StreamFrame>,
    options: StreamOptions & { version?: string } = {},
  ): TaktStream {
    const { version, ...choices } = options;
    const path = `${modelPath(model, version)}/stream`;
    const connect: Connect = async () => {
      // Only Node lets a WebSocket send headers.
      if (this.#key && !NODE) await this.signIn();
      const init = this.#key && NODE ? { headers: this.#authorization } : undefined;
      const url = `${this.url.replace(/^http/i, "ws")}${path}`;
      return new WebSocket(url, init as unknown as string[]);
    };
    return new TaktStream(connect, frames, choices, () => this.#whyNoStream(model, version));
  }

  get #authorization(): Record<string, string> {
    return this.#key ? { authorization: `Bearer ${this.#key}` } : {};
  }

  /** The answer to a picture, with what its query asks. */
  #send(
    path: string,
    picture: Picture,
    choices: object,
    signal: AbortSignal | undefined,
  ): Promise<Record<string, unknown>> {
    if (!(picture instanceof Blob || picture instanceof ArrayBuffer || ArrayBuffer.isView(picture))) {
      throw mistake(
        "the picture is neither a Blob nor bytes; give the file itself, not its name or its pixels",
      );
    }
    const query = new URLSearchParams({ timeout_ms: String(this.#timeoutMs * SERVER_GIVES_UP_AT) });
    for (const [name, value] of Object.entries(choices)) {
      const said = typeof value === "object" && value !== null ? pairs(value) : value;
      if (said !== undefined && said !== null) query.set(name, String(said));
    }
    const type = picture instanceof Blob ? picture.type : "";
    return this.#ask(`${path}?${query}`, {
      method: "POST",
      body: picture,
      headers: { "content-type": type || "application/octet-stream" },
      signal: signal ?? null,
    });
  }

  async #ask(path: string, init: RequestInit = {}): Promise<Record<string, unknown>> {
    const response = await this.#fetch(path, init);
    if (!response.ok) throw await this.#within(() => errorOf(response), init.signal);
    const text = await this.#within(() => response.text(), init.signal);
    try {
      const answer: unknown = JSON.parse(text);
      if (typeof answer === "object" && answer !== null) return answer as Record<string, unknown>;
    } catch {
      // Told below.
    }
    throw unreadable("the server's answer is no object of JSON", text);
  }

  #fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const request: RequestInit = {
      ...init,
      headers: { ...JSON_ANSWER, ...init.headers, ...this.#authorization },
      // The key is for this server alone.
      redirect: "error",
      signal: init.signal ? AbortSignal.any([init.signal, timeout]) : timeout,
    };
    return this.#within(() => fetch(`${this.url}${path}`, request), init.signal);
  }

  /** The result of a step of a call, or what is wrong with the way as an error of this client. */
  async #within<T>(step: () => Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
    try {
      return await step();
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof DOMException && error.name === "TimeoutError") {
        throw overdue(this.url, error);
      }
      throw unreachable(this.url, error);
    }
  }

  /** Why a WebSocket was refused, which its events do not say: a picture needs the same scope. */
  async #whyNoStream(model: string, version?: string): Promise<TaktError> {
    const path = modelPath(model, version);
    try {
      const response = await this.#fetch(`${path}/inspect`, { method: "POST" });
      // What has no picture gets 400, if it may ask at all.
      if (response.status !== 400) return await errorOf(response);
    } catch (error) {
      if (error instanceof TaktError) return error;
    }
    return unreachable(`${this.url}${path}/stream`, "no WebSocket could be opened");
  }
}

/** Tags as the query has them: `shift=2,camera=left`; undefined where there are none. */
function pairs(tags: Record<string, string>): string | undefined {
  for (const [name, value] of Object.entries(tags)) {
    if (`${name}${value}`.includes(",") || name.includes("=")) {
      const tag = `tag ${JSON.stringify(name)} is ${JSON.stringify(value)}`;
      throw mistake(`${tag}; write it without a comma, and its name without =`);
    }
  }
  const texts = Object.entries(tags).map(([name, value]) => `${name}=${value}`);
  return texts.length ? texts.join(",") : undefined;
}

/** Parameters as a query, those that are undefined left out. */
function queryOf(parameters: Record<string, string | number | undefined>): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return query.size ? `?${query}` : "";
}

/** The recipe in an answer. */
function recipeOf(answer: Record<string, unknown>): Recipe {
  const recipe = answer["recipe"] as Recipe | undefined;
  if (!Array.isArray(recipe?.views)) throw unreadable("no recipe", JSON.stringify(answer));
  return recipe;
}

/** Path of a recipe below a server's URL. */
function recipePath(name: string): string {
  return `/v1/recipes/${encodeURIComponent(name)}`;
}

/** Path of a part below a server's URL. */
function partPath(part: string): string {
  return `/v1/parts/${encodeURIComponent(part)}`;
}

/** Path of a model, or of one of its versions, below a server's URL. */
function modelPath(model: string, version?: string): string {
  const path = `/v1/models/${encodeURIComponent(model)}`;
  return version === undefined ? path : `${path}/versions/${encodeURIComponent(version)}`;
}

/** The inspection in a REST answer. */
function inspectedOf(answer: Record<string, unknown>): Inspected {
  return { ...inspectionOf(answer, decoded(answer)), request_id: String(answer["request_id"]) };
}

/** The heatmap in a REST answer. */
function decoded(answer: Record<string, unknown>): Heatmap | null {
  const heatmap = answer["heatmap"] as (Heatmap & { data: string }) | null;
  if (!heatmap) return null;
  try {
    const data = Uint8Array.from(atob(heatmap.data), (character) => character.charCodeAt(0));
    return { ...heatmap, data };
  } catch {
    throw unreadable("a damaged heatmap", JSON.stringify(heatmap));
  }
}
