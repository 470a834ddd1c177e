/** Who looks at the console, and what the server lets them do. */
import { ApiError, call, onStranger } from "./api.js";
import { onReturn } from "./connection.js";
import { createStore } from "./store.js";

const session = createStore({ state: "unknown", scopes: [] });

/**
 * The hook: `{ state, caller, scopes, demandsKey }`.
 * `state` is "unknown" until the server has answered, then "known", or "stranger" where a key is wanted.
 */
export const useSession = () => session.use();

/** Whether the caller has a scope: "inspect", "read", "review" or "operate". */
export const may = (scope) => session.get().scopes.includes(scope);

/** Asks the server who the caller is. */
export async function readSession() {
  try {
    const { caller, scopes, known } = await call("get_session");
    session.set({ state: "known", caller, scopes, demandsKey: known });
  } catch (error) {
    if (error.status !== 401) throw error;
  }
}

/** Logs in by a key; throws ApiError where the server does not know it. */
export async function logIn(key) {
  if (!/^[!-~]+$/.test(key)) throw new ApiError(401, {}); // quotation marks of a chat are no header, and no outage
  await call("begin_session", { headers: { Authorization: `Bearer ${key}` } });
  await readSession();
}

/** Logs out: the cookie counts no more, and what it opened ends. */
export async function logOut() {
  await call("end_session");
  beStranger();
}

/** Begins to follow what the server says of the caller. */
export function watchSession() {
  onStranger(beStranger);
  onReturn(() => readSession().catch(() => {}));
}

function beStranger() {
  session.set({ state: "stranger", scopes: [], demandsKey: true });
}
