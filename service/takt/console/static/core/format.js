/** Numbers, times and sizes as people read them. */
const LANGUAGE = document.documentElement.lang;
const COUNT = new Intl.NumberFormat(LANGUAGE);
const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** A score or a threshold: three digits that say something, a larger whole part written out, or a dash. */
export const score = (value) => precise(value, 3);

const precise = (value, digits) => {
  const text = known(value) ? Number(value).toPrecision(digits) : "–";
  return text.includes("e+") && Math.abs(value) < 1e15 ? Number(value).toFixed(0) : text;
};

/** Scores and thresholds that are compared: at least three digits, and more until different ones look different. */
export function apart(...values) {
  const different = new Set(values).size;
  for (let digits = 3; digits < 17; digits += 1) {
    const texts = values.map((value) => precise(value, digits));
    if (new Set(texts).size >= different) return texts;
  }
  return values.map((value) => precise(value, 17));
}

/** A whole number, with its thousands apart. */
export const count = (value) => (known(value) ? COUNT.format(value) : "–");

/** Milliseconds, with a tenth where it says something. */
export const ms = (value) => (known(value) ? `${value < 100 ? value.toFixed(1) : COUNT.format(Math.round(value))} ms` : "–");

/** A share of 1 as per cent. */
export const percent = (share, digits = 1) => (known(share) ? `${(100 * share).toFixed(digits)} %` : "–");

/** Bytes, in the largest unit that leaves a whole part. */
export function bytes(value) {
  if (!known(value)) return "–";
  let [left, unit] = [value, 0];
  for (; left >= 1000 && unit < UNITS.length - 1; unit += 1) left /= 1000;
  return `${unit && left < 10 ? left.toFixed(1) : Math.round(left)} ${UNITS[unit]}`;
}

const isMoment = (text) => /^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(Date.parse(text));

/**
 * A moment (ISO 8601, a Date or ms of Unix time) in this browser's zone, as a field for it wants it: "2026-03-29T14:05:06".
 * What an address has and is none stays as it is: the API knows "-8h", or says what is wrong.
 */
export function local(moment) {
  if (typeof moment === "string" && !isMoment(moment)) return moment;
  const at = new Date(moment);
  return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** The same for people: "2026-03-29 14:05:06", in which nobody takes the month for the day, whatever his language is. */
export const when = (moment) => (known(moment) ? local(moment).replace(/(?<=\d)T/, " ") : "–");

/** A field for a moment; without a last year a browser takes the digits of an hour for more of the year. */
export const MOMENT = { type: "datetime-local", max: "9999-12-31T23:59" };

function known(value) {
  return value !== null && value !== undefined && !Number.isNaN(value);
}
