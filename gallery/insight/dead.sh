# A network whose initialisation kills half of its ReLUs: which layers, and how many of their channels.
archviz record gallery/insight/dead.py --stat sparsity -o dead.svg
