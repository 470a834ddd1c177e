/** The lines of curl and Python that ask the same. */
import { html, useRef, useState } from "../../vendor/htm-preact.js";
import { url } from "../../core/api.js";
import { useSession } from "../../core/session.js";
import { t } from "../../core/strings.js";

/** Lines for a picture's file name and a version, to be copied. */
export function Code({ file, choice: { name, version } }) {
  const { demandsKey } = useSession();
  const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const address = location.origin + url("inspect_picture_by_version", { path: { name, version } });
  const key = demandsKey ? ` -H "Authorization: Bearer $TAKT_KEY"` : "";
  const python = JSON.stringify;
  return html`<details class="card"><summary class="button">${t.try.code}</summary>
    <${Lines} text=${`curl${key} --data-binary @${shell(`./${file}`)} \\\n  ${shell(`${address}?priority=bulk`)}`} />
    <${Lines} text=${`from pathlib import Path
from takt_client import TaktClient

with TaktClient(${python(location.origin)}) as client:${demandsKey ? "  # the key is in TAKT_KEY" : ""}
    answer = client.inspect(${python(name)}, Path(${python(file)}), version=${python(version)}, priority="bulk")
    print(answer.anomalous, answer.score, answer.regions)`} /></details>`;
}

function Lines({ text }) {
  const lines = useRef(null);
  const [copied, setCopied] = useState(null);
  const copy = () => {
    getSelection().selectAllChildren(lines.current);
    setCopied(document.execCommand("copy") ? text : null); // the clipboard's own API wants HTTPS
  };
  return html`<pre ref=${lines} tabindex="0">${text}</pre>
    <button type="button" class="button" onClick=${copy}>${copied === text ? t.try.copied : t.try.copy}</button>`;
}
