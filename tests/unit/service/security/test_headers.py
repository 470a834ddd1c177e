import base64
import hashlib

from takt.security.headers import ANSWER_HEADERS, page_headers


def test_data_shown_as_a_page_may_load_and_run_nothing() -> None:
    policy = dict(ANSWER_HEADERS)[b"content-security-policy"]
    assert policy == b"default-src 'none'; frame-ancestors 'none'"


def test_each_script_in_a_page_runs_by_its_hash_and_no_other() -> None:
    policy = dict(page_headers("<script src='/a.js'></script><script>one()\n</script>"))[
        b"content-security-policy"
    ].decode()
    digest = base64.b64encode(hashlib.sha256(b"one()\n").digest()).decode()
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src "))
    assert scripts == f"script-src 'self' 'sha256-{digest}'"
