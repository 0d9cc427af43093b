"""Pictures: what a model does, drawn by itself: heat over an image, text with heat behind its words, attention …

Contract: a file ``archviz/insight/pictures/<name>.py`` holds

    def draw(shown, style, *, …) -> Scene
                                    what to draw, from a sequence of `Attribution` (or of anything that has the parts
                                    that it draws, as a `Recording`), on a page of ``style.page.width``; the scene's
                                    description is its caption; what else may be chosen are its keyword arguments,
                                    of which `_standalone.picture` describes those that pictures share

A picture names no colour: marks carry roles of the style, and what has the colour of a number takes it from the style's
colour maps by `archviz.insight.painting.colormap`.
"""
