/** Every text of the console in English. Another language is another file like this one. */
export default {
  close: "Close",
  reason: "Why (kept in the audit log)",
  chart: { numbers: "Numbers of “{label}”" },
  verdict: { defect: "Defect", good: "Good", none: "No answer" },
  problem: {
    title: "That did not work",
    request: "Request {id}",
    away: "The server does not answer",
    awayDetail: "The console tries again by itself and goes on as soon as the server is back.",
  },
  shell: {
    skip: "To the content",
    pages: "Pages",
    document: "{page} – Takt",
    nowhere: "There is no such page",
    loading: "Loading …",
    theme: { system: "Theme: system", light: "Theme: light", dark: "Theme: dark" },
  },
  login: {
    title: "Log in",
    about: "This server answers known callers only. Whoever runs it makes keys with “takt keys create”.",
    key: "Key",
    action: "Log in",
    out: "Log out",
    wrong: "The server does not know this key",
    wrongDetail: "Check for characters that are missing, or ask whoever runs the server whether it was revoked.",
  },

  // Live
  live: {
    title: "Live",
  },

  // Try
  try: {
    title: "Try",
  },

  // Review
  review: {
    title: "Review",
  },

  // Models
  models: {
    title: "Models",
    mayNot: "This key may not read the models; it lacks the scope “read”",
    all: "All models",
    noModel: "This server has no model {name}",
    noVersion: "There is no version {version} (any more)",
    heading: "{name}, version {version}",
    versionsOf: "Versions of {name}",
    columns: ["Version", "State", "Family", "Input", "Engine", "On disk"],
    states: { ready: "ready", loading: "loading", failed: "failed", closed: "closed" },
    active: "active",
    activate: "Activate version {version}",
    rollback: "Roll back to version {version}",
    instead: "Until now version {now} answers where a request names none. Nobody is refused meanwhile.",
    learn: "Learn a new version",
    done: "Done; the next picture is answered so.",
    unkept: "The model's folder cannot be written: this holds only until the server restarts.",
    threshold: "Threshold of the score",
    inForce: "In force: {value}.",
    ofBundle: "It is the bundle's own, of {when}.",
    override: "It was set at {when}.",
    because: "Why: {reason}",
    histogram: "Scores, and how many of each kind have them",
    score: "Score",
    this: "This threshold",
    lower: "Lower",
    higher: "Higher",
    number: "As a number",
    noPromise: "Another threshold than the bundle's own promises no rate of false rejects.",
    ownThreshold: "The bundle's own threshold; it was found without a promised rate of false rejects.",
    promise: "The bundle's own threshold: of good parts like those of its calibration, at most {alpha} are rejected.",
    counts: "What thresholds reject",
    countColumns: ["Pictures", "Number", "Rejected by this threshold", "Rejected by the one in force"],
    groups: {
      goodKnown: "Good, of the calibration",
      defectsKnown: "Defects, of the calibration",
      goodJudged: "Judged good",
      defectsJudged: "Judged a defect",
    },
    of: "of {count}",
    notFair: "What is judged is no fair sample of the line: rejects are judged more often than what passed.",
    nothingJudged: "Nothing that this version answered is judged yet; the page Review is for that.",
    noRecord: "This server keeps no record, so that nothing can be judged.",
    apply: "Serve by this threshold",
    reset: "Go back to the bundle's own",
    change: "From {old} to {now}, from the next picture on.",
    answers: "How it answers",
    drift: "The engine answers the golden pictures like the trained model: the largest difference is {share} of what is "
      + "allowed (score {score}, map {map}, allowed {tolerance}).",
    fromFile: "From picture files on, the export measured {score} in the score and {map} in the map, on {count} pictures.",
    selfTest: "Self-test",
    noSelfTest: "None was made; “takt calibrate” makes it.",
    notes: "Notes",
    files: "What it is",
    facts: {
      family: "Family",
      input: "Input",
      engine: "Engine",
      disk: "On disk",
      graph: "the graph {size}",
      roi: "Part of the picture that counts",
      tiling: "Tiles",
      pictures: "Good pictures given to the export",
      signed: "Signed by",
      unsigned: "no signature is asked for",
      digest: "Digest",
    },
    card: "Model card",
    noCard: "The bundle has no card; “takt card --write” makes one.",
  },

  // Learn
  learn: {
    title: "Learn",
  },

  // Health
  health: {
    title: "Health",
  },

  // Inspection
  inspection: {
    title: "Inspection",
  },
};
