/** Calls of the service's API, by the names that its OpenAPI document gives them. */
import { lost } from "./connection.js";
import { OPERATIONS } from "./operations.js";
import { t } from "./strings.js";

/** An answer that is a problem: its HTTP `status`, its `code`, and what to do in `detail`. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? String(status));
    this.status = status;
    this.code = problem.code ?? "";
    this.title = problem.title ?? t.problem.title;
    this.detail = problem.detail ?? "";
    this.requestId = problem.request_id ?? "";
  }
}

const strangers = new Set();

/** Calls a function whenever the server does not know the caller (any more); returns how to stop. */
export function onStranger(fn) {
  strangers.add(fn);
  return () => strangers.delete(fn);
}

/** The address of an operation: url("get_picture", { path: { id: 7 } }) is "/v1/inspections/7/picture". */
export function url(operation, { path = {}, query = {} } = {}) {
  const [, template] = OPERATIONS[operation];
  return withQuery(template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(path[name])), query);
}

/** The address of a WebSocket of this server. */
export function socketUrl(path, query = {}) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${withQuery(path, query)}`;
}

/**
 * Calls an operation.
 * `body` is a Blob as it is, or an object as JSON; `as` is "json", "blob", "text" or "response"; `again`: whether the page asks anew
 * by itself once a server that does not answer is back, as pages do of what they show.
 * Throws ApiError where the answer is a problem, and where the server does not answer (status 0).
 */
export async function call(operation, { path, query, body, headers = {}, signal, as = "json", again } = {}) {
  const [method] = OPERATIONS[operation];
  const awayDetail = again ?? method === "GET" ? t.problem.awayDetail : t.problem.awayUndone;
  const json = body !== undefined && !(body instanceof Blob);
  let answer;
  try {
    answer = await fetch(url(operation, { path, query }), {
      method,
      signal,
      body: json ? JSON.stringify(body) : body,
      headers: json ? { "Content-Type": "application/json", ...headers } : headers,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    lost();
    throw new ApiError(0, { title: t.problem.away, detail: awayDetail, code: "away" });
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    if (answer.status === 401) for (const fn of strangers) fn();
    throw new ApiError(answer.status, problem);
  }
  if (as === "response") return answer;
  if (answer.status === 204) return null;
  return answer[as]();
}

function withQuery(path, query) {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") parts.append(name, one);
    }
  }
  const text = parts.toString();
  return text ? `${path}?${text}` : path;
}
