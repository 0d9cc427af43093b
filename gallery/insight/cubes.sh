# VGG-16 as Simonyan and Zisserman's readers know it, with the feature maps that a photograph gives on its cubes.  The
# network is untrained: what is seen is what random filters, ReLUs and pooling make of the astronaut.
archviz record gallery/vgg16.py --image astronaut.png --size 224 --normalize imagenet --stat values --style cube -o cubes.svg
