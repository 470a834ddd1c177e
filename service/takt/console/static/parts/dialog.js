/** A dialog that takes the keyboard until it is closed. */
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { t } from "../core/strings.js";
import { Problem } from "./notice.js";

/** A native dialog, shown while `open`; Escape and its button call `onClose`. What had the focus has it again. `wide` is for pictures. */
export function Dialog({ open, title, onClose, wide = false, children }) {
  const dialog = useRef(null);
  useEffect(() => {
    const shown = dialog.current;
    if (!open || !shown) return undefined;
    const before = document.activeElement;
    shown.showModal();
    return () => (shown.close(), before?.focus());
  }, [open]);
  if (!open) return null;
  const cancel = (event) => (event.preventDefault(), onClose());
  return html`<dialog ref=${dialog} class=${wide ? "wide" : null} aria-labelledby="dialog-title" onCancel=${cancel}>
    <header>
      <h2 id="dialog-title">${title}</h2>
      <button type="button" class="button plain" onClick=${onClose}>${t.close}</button>
    </header>
    ${children}
  </dialog>`;
}

/**
 * Asks whether to do something that the audit log will hold, and why; `label` says what is wanted where that is no reason.
 * `onConfirm(reason)` does it; what it throws is shown and the dialog stays.
 */
export function ReasonDialog({ open, title, action, label = t.reason, onConfirm, onClose, children }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => setError(null), [open]);
  const confirm = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await onConfirm(new FormData(event.target).get("reason").trim() || null);
      onClose();
    } catch (failed) {
      setError(failed);
    } finally {
      setBusy(false);
    }
  };
  return html`<${Dialog} open=${open} title=${title} onClose=${onClose}>
    <form onSubmit=${confirm}>
      ${children}
      <label>${label}<input name="reason" maxlength="200" autocomplete="off" autofocus /></label>
      <${Problem} error=${error} />
      <button class="button primary" disabled=${busy}>${action}</button>
    </form>
  <//>`;
}
