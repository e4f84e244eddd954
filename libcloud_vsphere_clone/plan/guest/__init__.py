"""What guests are told, by each mechanism: cloud-init, guest customization, Ignition. (pure)"""
