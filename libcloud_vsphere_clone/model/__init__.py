"""The words that all rooms use: folders, names, marks, sizes, what a VM is. (pure)"""
