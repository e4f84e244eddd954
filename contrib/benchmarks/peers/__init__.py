"""Who is measured: each in a module with ``PEER``, a class made from how to connect; its methods are the ops."""
