/** Every text of the console in English. Another language is another file like this one. */
export default {
  close: "Close",
  reason: "Why (kept in the audit log)",
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
