"""Horizontal translation: is the picture in its place, moved right or moved left [P]?"""

from ssmtl.learning.tasks.translation_vertical import TranslationVertical


class TranslationHorizontal(TranslationVertical):
    name = "translation_horizontal"
    axis = 4
