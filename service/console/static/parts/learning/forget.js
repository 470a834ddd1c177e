/** Ends a learning, or forgets one that is over. */
import { call } from "../../core/api.js";

/** Resolves once the server does not have it any more, whoever has ended it: another tab may have been first. */
export const forget = (id) => call("discard_learning", { path: { id } }).catch((error) => {
  if (error.status !== 404) throw error;
});
