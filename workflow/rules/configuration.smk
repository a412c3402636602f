"""The files of the configuration, looked at before Snakemake merges what is in them.

Needs: config.yaml and the files of --configfile. Makes: nothing.
"""

import sys
from pathlib import Path

ROOT = Path(str(workflow.current_basedir)).resolve().parent.parent
# In an installed package, these rules are inside the library.
LIBRARY = ROOT.parent if ROOT.name == "shipped" else ROOT / "src" / "matrix_entropy"

sys.path.insert(0, str(LIBRARY.parent))

from matrix_entropy.configuration import files
from matrix_entropy.running import stopping
from matrix_entropy.base.errors import InputError

# Jobs are given what their run has looked at.
if workflow.is_main_process:
    stopping.quietly()
    settings = workflow.config_settings
    try:
        files.check_files(
            Path("config.yaml"), settings.configfiles, settings.replace_workflow_config
        )
    except InputError as error:
        raise WorkflowError(str(error))
