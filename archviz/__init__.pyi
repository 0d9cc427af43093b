from archviz.core.errors import ArchvizError as ArchvizError
from archviz.core.errors import DoesNotFit as DoesNotFit
from archviz.figure.draw import draw as draw
from archviz.figure.figure import Figure as Figure
from archviz.insight.explain import explain as explain
from archviz.insight.methods.lrp import register_rule as register_rule
from archviz.insight.recorder.run import record as record
from archviz.insight.results.attribution import Attribution as Attribution
from archviz.insight.results.attribution import Attributions as Attributions
from archviz.insight.results.recording import Recording as Recording

__version__: str
