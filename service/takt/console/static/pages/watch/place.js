/** Where pictures are taken, in words. */
import { fill, t } from "../../core/strings.js";

/** A station's name, or that pictures have none. */
export const stationOf = (station) => station || t.watch.noStation;

/** "pitting 1 at press-1". */
export const placeOf = ({ model, version, station, cause }) =>
  fill(cause === "promise" ? t.watch.everywhere : station ? t.watch.place : t.watch.nowhere, { model, version, station });
