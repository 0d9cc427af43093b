# AlexNet as the feature extractor of R-CNN (Girshick et al., 2014): 4096 features, classified by support vector machines.
archviz gallery/alexnet.py --style cube --cut relu --append SVM --title R-CNN -o rcnn.svg -o rcnn.tex
