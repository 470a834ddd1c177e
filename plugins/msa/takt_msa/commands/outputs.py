"""Where an analysis goes: the terminal, a report, JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from takt_export.commands.options import FILE, check_outputs

if TYPE_CHECKING:
    from takt_msa.analysis import StudyContext
    from takt_msa.study import Study

OUTPUTS = (
    click.option("--report", type=FILE, help="Also write a report here: one HTML file."),
    click.option("--json", "json_file", type=FILE, help="Also write all figures here."),
)


@dataclass(frozen=True)
class StudyOutputs:
    """Files that an analysis is written to; None where one is not wanted."""

    report: Path | None
    json_file: Path | None

    def check(self) -> None:
        """Check before the long work that the files can be written.

        Raises:
            click.ClickException: one cannot.
        """
        check_outputs(self.report, self.json_file)

    def tell(self, study: Study, context: StudyContext) -> None:
        """Analyse a study, print its figures and write the files."""
        from takt_export.wording import encodable
        from takt_msa.analysis import analyse
        from takt_msa.report.document import study_json
        from takt_msa.report.table import study_table

        analysis = analyse(study)
        click.echo(encodable(study_table(analysis, context)))
        if self.json_file is not None:
            text = encodable(study_json(analysis, context))
            self.json_file.write_text(text, encoding="utf-8")
        if self.report is not None:
            from takt_msa.report.page import study_html

            self.report.write_text(encodable(study_html(analysis, context)), encoding="utf-8")
            click.echo(encodable(f"report              {self.report}"))
