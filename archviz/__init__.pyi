from archviz.attribution import Attribution as Attribution
from archviz.attribution import Attributions as Attributions
from archviz.errors import ArchvizError as ArchvizError
from archviz.errors import DoesNotFit as DoesNotFit
from archviz.explainer import explain as explain
from archviz.methods.lrp import register_rule as register_rule
from archviz.pipeline import Figure as Figure
from archviz.pipeline import draw as draw
from archviz.recorder.record import record as record
from archviz.recording import Recording as Recording

__version__: str
