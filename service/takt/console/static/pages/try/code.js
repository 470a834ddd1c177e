/** The lines of curl and Python that ask the same. */
import { html, useRef, useState } from "../../vendor/htm-preact.js";
import { url } from "../../core/api.js";
import { useSession } from "../../core/session.js";
import { t } from "../../core/strings.js";

/** Lines for a picture's file name and a version, to be copied. */
export function Code({ file, choice: { name, version } }) {
  const { demandsKey } = useSession();
  const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const address = location.origin + url("inspect_picture_by_version", { path: { name, version }, query: { priority: "bulk" } });
  const key = demandsKey ? ` -H "Authorization: Bearer $TAKT_KEY"` : "";
  const [origin, model, path, number] = [location.origin, name, file, version].map((text) => JSON.stringify(text));
  return html`<details class="card try-lines"><summary>${t.try.code}</summary>
    <${Lines} text=${`curl${key} --data-binary @${shell(`./${file}`)} \\\n  ${shell(address)}`} />
    <${Lines} text=${`from pathlib import Path
from takt_client import TaktClient

with TaktClient(${origin}) as client:${demandsKey ? "  # the key is in TAKT_KEY" : ""}
    answer = client.inspect(${model}, Path(${path}), version=${number}, priority="bulk")
    print(answer.anomalous, answer.score, answer.regions)`} /></details>`;
}

function Lines({ text }) {
  const lines = useRef(null);
  const [copied, setCopied] = useState(null);
  const copy = () => {
    getSelection().selectAllChildren(lines.current);
    setCopied(document.execCommand("copy") ? text : null); // the clipboard's own API wants HTTPS
  };
  return html`<pre class="try-code" ref=${lines} tabindex="0">${text}</pre>
    <button type="button" class="button" onClick=${copy}>${copied === text ? t.try.copied : t.try.copy}</button>`;
}
