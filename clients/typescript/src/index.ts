/** A client of a Takt server, for browsers and Node. Start reading at `client.ts`. */

export { TaktClient } from "./client.ts";
export type {
  ClientOptions,
  InspectOptions,
  Picture,
  RecipeChoices,
  RecipeViewChoices,
  ViewOptions,
} from "./client.ts";
export { TaktError } from "./errors.ts";
export type { Problem } from "./errors.ts";
export { TaktStream } from "./stream.ts";
export type {
  Dropped,
  FrameAnswer,
  FrameView,
  FrameViewChoices,
  RawPicture,
  Refused,
  StreamFrame,
  StreamItem,
  StreamOptions,
  StreamStats,
  ViewFrame,
  Vote,
} from "./stream.ts";
export type * from "./answers.ts";
