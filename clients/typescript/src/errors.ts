/** Errors of a call: the server's by their code, and those of the way to it. */

/** The server's description of an error (application/problem+json). */
export interface Problem {
  status: number;
  /** Names the error, such as `invalid_image` or `queue_full`. */
  code: string;
  title: string;
  detail: string;
  request_id?: string | null;
}

/**
 * A call without an answer; the message says what to do.
 *
 * `code` is the server's, or `unreachable` (no connection, or it was lost), `deadline_exceeded` (no
 * answer in time), `unreadable_answer` (not Takt's, or of another release) or `invalid_parameter`
 * (a mistake in the call), for which nothing came from the server.
 */
export class TaktError extends Error {
  override readonly name = "TaktError";
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly requestId: string | undefined;
  /** Seconds after which to come back, of a full queue or a server that is not ready. */
  readonly retryAfterS: number | undefined;

  constructor(problem: Problem, options: ErrorOptions & { retryAfterS?: number } = {}) {
    super(problem.detail, options);
    this.status = problem.status;
    this.code = problem.code;
    this.title = problem.title;
    this.requestId = problem.request_id ?? undefined;
    this.retryAfterS = options.retryAfterS;
  }
}

/** The error of a response that is no success. */
export async function errorOf(response: Response): Promise<TaktError> {
  const text = await response.text();
  const seconds = Number(response.headers.get("retry-after") ?? NaN);
  const options = Number.isFinite(seconds) ? { retryAfterS: seconds } : {};
  const problem = problemIn(text);
  if (problem) return new TaktError({ ...problem, status: response.status }, options);
  return unreadable(`HTTP ${response.status} without a problem that Takt would send`, text);
}

/** The problem in a text; undefined if there is none. */
function problemIn(text: string): Problem | undefined {
  try {
    const body: unknown = JSON.parse(text);
    return isProblem(body) ? body : undefined;
  } catch {
    return undefined;
  }
}

/** Whether this is a server's description of an error. */
export function isProblem(body: unknown): body is Problem {
  if (typeof body !== "object" || body === null) return false;
  const { code, title, detail } = body as Record<string, unknown>;
  return [code, title, detail].every((field) => typeof field === "string");
}

/** No connection, or it was lost. */
export function unreachable(url: string, cause: unknown): TaktError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const reason = inner instanceof Error ? inner.message : String(inner);
  const detail = `no answer from ${url}: ${reason}; is the server running there?`;
  const problem = { status: 503, code: "unreachable", title: "Server unreachable", detail };
  return new TaktError(problem, { cause });
}

/** No answer within the time that the call had. */
export function overdue(url: string, cause: unknown): TaktError {
  const detail = `no whole answer from ${url} in time; raise timeoutMs, or add servers`;
  const problem = { status: 504, code: "deadline_exceeded", title: "Deadline exceeded", detail };
  return new TaktError(problem, { cause });
}

/** An answer that makes no sense to this client. */
export function unreadable(what: string, shown: string): TaktError {
  const detail = `${what}: ${JSON.stringify(shown.slice(0, 200))}; check the URL, and that server and client are of the same release`;
  return new TaktError({ status: 502, code: "unreadable_answer", title: "Unreadable answer", detail });
}

/** A mistake in the call; nothing was sent. */
export function mistake(detail: string): TaktError {
  return new TaktError({ status: 422, code: "invalid_parameter", title: "Invalid parameter", detail });
}
