"""The programs of the fake phone's /system/bin, those that tools which drive a phone use."""
