/** The page that asks for a key. */
import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { logIn } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { Problem } from "../../parts/notice.js";

/** Asks for a key; once it is known, the page that was asked for is shown. */
export default function Page() {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const key = useRef(null);
  // A browser heeds `autofocus` once a document, and who logs out comes back here.
  useEffect(() => key.current.focus(), []);
  const submit = async (event) => {
    event.preventDefault();
    const form = event.target;
    setBusy(true);
    setError(null);
    try {
      await logIn(new FormData(form).get("key").trim());
    } catch (failed) {
      setError(failed.status === 401 ? { title: t.login.wrong, detail: t.login.wrongDetail } : failed);
      form.elements.key.select();
    } finally {
      setBusy(false);
    }
  };
  return html`<section class="narrow">
    <h1>${t.login.title}</h1>
    <p>${t.login.about}</p>
    <form onSubmit=${submit}>
      <label>${t.login.key}<input ref=${key} name="key" type="password" autocomplete="current-password" required /></label>
      <${Problem} error=${error} />
      <button class="button primary" disabled=${busy}>${t.login.action}</button>
    </form>
  </section>`;
}
