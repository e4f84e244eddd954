"""Time zones of the IANA database as Microsoft counts them for sysprep. (pure)

Source: Microsoft, "Microsoft Time Zone Index Values" (KB 973627), to which CustomizationGuiUnattended.timeZone refers.
It has no UTC; Greenwich Standard Time is that all the year.
"""

from __future__ import annotations

from ...errors import InvalidRequestError
from ...option_names import option

__all__ = ["UTC_INDEX", "find_time_zone_index"]

UTC_INDEX = 90

_ZONES: dict[int, str] = {
    0: "Etc/GMT+12",
    1: "Pacific/Pago_Pago",
    2: "Pacific/Honolulu",
    3: "America/Anchorage",
    4: "America/Los_Angeles",
    10: "America/Denver",
    13: "America/Chihuahua",
    15: "America/Phoenix",
    20: "America/Chicago",
    25: "America/Regina",
    30: "America/Mexico_City",
    33: "America/Guatemala",
    35: "America/New_York",
    40: "America/Indiana/Indianapolis",
    45: "America/Bogota America/Lima",
    50: "America/Halifax",
    55: "America/La_Paz",
    56: "America/Santiago",
    60: "America/St_Johns",
    65: "America/Sao_Paulo",
    70: "America/Argentina/Buenos_Aires",
    73: "America/Nuuk America/Godthab",
    75: "Atlantic/South_Georgia",
    80: "Atlantic/Azores",
    83: "Atlantic/Cape_Verde",
    85: "Europe/London Europe/Dublin Europe/Lisbon",
    UTC_INDEX: "UTC Etc/UTC Etc/GMT GMT Atlantic/Reykjavik Africa/Monrovia",
    95: "Europe/Budapest Europe/Belgrade Europe/Bratislava Europe/Ljubljana Europe/Prague",
    100: "Europe/Warsaw Europe/Sarajevo Europe/Skopje Europe/Zagreb",
    105: "Europe/Paris Europe/Brussels Europe/Copenhagen Europe/Madrid",
    110: "Europe/Berlin Europe/Amsterdam Europe/Rome Europe/Stockholm Europe/Vienna Europe/Zurich Europe/Oslo",
    113: "Africa/Lagos",
    115: "Europe/Bucharest",
    120: "Africa/Cairo",
    125: "Europe/Helsinki Europe/Kyiv Europe/Kiev Europe/Riga Europe/Sofia Europe/Tallinn Europe/Vilnius",
    130: "Europe/Athens",
    135: "Asia/Jerusalem",
    140: "Africa/Johannesburg Africa/Harare",
    145: "Europe/Moscow",
    150: "Asia/Riyadh Asia/Kuwait",
    155: "Africa/Nairobi",
    158: "Asia/Baghdad",
    160: "Asia/Tehran",
    165: "Asia/Dubai Asia/Muscat",
    170: "Asia/Yerevan Asia/Baku Asia/Tbilisi",
    175: "Asia/Kabul",
    180: "Asia/Yekaterinburg",
    185: "Asia/Tashkent Asia/Karachi",
    190: "Asia/Kolkata Asia/Calcutta",
    193: "Asia/Kathmandu",
    195: "Asia/Dhaka",
    200: "Asia/Colombo",
    201: "Asia/Novosibirsk",
    203: "Asia/Yangon Asia/Rangoon",
    205: "Asia/Bangkok Asia/Jakarta Asia/Ho_Chi_Minh",
    207: "Asia/Krasnoyarsk",
    210: "Asia/Shanghai Asia/Hong_Kong Asia/Chongqing",
    215: "Asia/Singapore Asia/Kuala_Lumpur",
    220: "Asia/Taipei",
    225: "Australia/Perth",
    227: "Asia/Irkutsk",
    230: "Asia/Seoul",
    235: "Asia/Tokyo",
    240: "Asia/Yakutsk",
    245: "Australia/Darwin",
    250: "Australia/Adelaide",
    255: "Australia/Sydney Australia/Melbourne Australia/Canberra",
    260: "Australia/Brisbane",
    265: "Australia/Hobart",
    270: "Asia/Vladivostok",
    275: "Pacific/Guam Pacific/Port_Moresby",
    280: "Pacific/Guadalcanal",
    285: "Pacific/Fiji",
    290: "Pacific/Auckland",
    300: "Pacific/Tongatapu",
}

_INDEXES = {zone: index for index, zones in _ZONES.items() for zone in zones.split()}


def find_time_zone_index(time_zone: str) -> int:
    """Microsoft's index of a time zone.

    :raises InvalidRequestError: Microsoft's list does not name this place.
    """
    index = _INDEXES.get(time_zone)
    if index is None:
        raise InvalidRequestError(
            f"{option('timezone')}: Microsoft's list of time zones has no {time_zone!r}; name a larger city with the "
            f"same time, or give the index as {option('windows=Windows(time_zone=...)')}"
        )
    return index
