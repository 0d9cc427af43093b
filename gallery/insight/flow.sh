# How relevance flows back through a residual network: through the branch and past it.
archviz explain gallery/residual.py --weights residual.safetensors --method lrp --overlay flow.svg --width 120mm
