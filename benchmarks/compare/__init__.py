"""The paper's network beside others, trained alike: does it earn its scales and its losses?"""
