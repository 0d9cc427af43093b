# The cell of an LSTM (Hochreiter and Schmidhuber, 1997): three gates, and a state that is scaled and added to.
archviz gallery/lstm_cell.py --style node-link --expand lstm --set options.lone=true --width column --title "" \
    -o lstm-cell.svg -o lstm-cell.tex
