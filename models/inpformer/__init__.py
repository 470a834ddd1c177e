"""INP-Former (Luo et al., arXiv 2503.02424): a picture is compared with its own normal parts."""

from models.inpformer.config import InpFormerConfig, MapRecipe, Mode
from models.inpformer.detector import Groups, InpFormer

__all__ = ["Groups", "InpFormer", "InpFormerConfig", "MapRecipe", "Mode"]
