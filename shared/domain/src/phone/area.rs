//! Argentina's area codes.

use super::InvalidPhone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// One of Argentina's area codes, two to four digits, without the trunk prefix 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AreaCode(u16);

impl AreaCode {
    /// Greater Buenos Aires, the default of a tenant that names none (REQUIREMENTS PH-02).
    pub const BUENOS_AIRES: Self = Self(11);

    /// Every area code there is, in ascending order.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        CODES.iter().copied().map(Self)
    }

    /// Reads a code such as `11`, `351` or `2966`.
    pub fn parse(text: &str) -> Result<Self, InvalidPhone> {
        let code = text.parse().ok().filter(|code| CODES.binary_search(code).is_ok()).map(Self);
        // In its own spelling: `u16` would also read `011` and `+11`.
        code.filter(|code| code.to_string() == text).ok_or(InvalidPhone::AreaCode)
    }

    /// How many digits a subscriber of this area has: area code and subscriber are ten together.
    pub const fn subscriber_len(self) -> usize {
        10 - match self.0 {
            ..=99 => 2,
            100..=999 => 3,
            _ => 4,
        }
    }

    /// The area codes that `digits` begins with: none, one, or two (220 and 2202, for instance, both exist).
    pub(super) fn at_start_of(digits: &str) -> impl Iterator<Item = Self> {
        (2..=4).filter_map(|len| Self::parse(digits.get(..len)?).ok())
    }
}

impl fmt::Display for AreaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for AreaCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AreaCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// What the Argentine rule of libphonenumber takes for an area code (WHATSAPP.md §2.12). A test holds
/// the two together.
const CODES: [u16; 300] = [
    11, 220, 221, 223, 230, 236, 237, 249, 260, 261, 263, 264, 266, 280, 291, 294, 297, 298, 299, 336, 341, 342, 343,
    345, 348, 351, 353, 358, 362, 364, 370, 376, 379, 380, 381, 383, 385, 387, 388, 2202, 2221, 2223, 2224, 2225, 2226,
    2227, 2229, 2241, 2242, 2243, 2244, 2245, 2246, 2252, 2254, 2255, 2257, 2261, 2262, 2264, 2265, 2266, 2267, 2268,
    2271, 2272, 2273, 2274, 2281, 2283, 2284, 2285, 2286, 2291, 2292, 2296, 2297, 2302, 2314, 2316, 2317, 2320, 2323,
    2324, 2325, 2326, 2331, 2333, 2334, 2335, 2336, 2337, 2338, 2342, 2343, 2344, 2345, 2346, 2352, 2353, 2354, 2355,
    2356, 2357, 2358, 2392, 2393, 2394, 2395, 2396, 2473, 2474, 2475, 2477, 2478, 2622, 2624, 2625, 2626, 2646, 2647,
    2648, 2651, 2655, 2656, 2657, 2658, 2901, 2902, 2903, 2920, 2921, 2922, 2923, 2924, 2925, 2926, 2927, 2928, 2929,
    2931, 2932, 2933, 2934, 2935, 2936, 2940, 2942, 2945, 2946, 2948, 2952, 2953, 2954, 2962, 2963, 2964, 2966, 2972,
    2982, 2983, 3327, 3329, 3382, 3385, 3387, 3388, 3400, 3401, 3402, 3404, 3405, 3406, 3407, 3408, 3409, 3435, 3436,
    3437, 3438, 3442, 3444, 3445, 3446, 3447, 3454, 3455, 3456, 3458, 3460, 3462, 3463, 3464, 3465, 3466, 3467, 3468,
    3469, 3471, 3472, 3476, 3482, 3483, 3487, 3489, 3491, 3492, 3493, 3496, 3497, 3498, 3521, 3522, 3524, 3525, 3532,
    3533, 3537, 3541, 3542, 3543, 3544, 3546, 3547, 3548, 3549, 3562, 3563, 3564, 3571, 3572, 3573, 3574, 3575, 3576,
    3582, 3583, 3584, 3585, 3711, 3715, 3716, 3718, 3721, 3725, 3731, 3734, 3735, 3741, 3743, 3751, 3754, 3755, 3756,
    3757, 3758, 3772, 3773, 3774, 3775, 3777, 3781, 3782, 3786, 3821, 3825, 3826, 3827, 3832, 3835, 3837, 3838, 3841,
    3843, 3844, 3845, 3846, 3854, 3855, 3856, 3857, 3858, 3861, 3862, 3863, 3865, 3867, 3868, 3869, 3873, 3876, 3877,
    3878, 3885, 3886, 3887, 3888, 3891, 3892, 3894,
];

#[cfg(test)]
mod tests {
    use super::*;
    use phonenumber::metadata::DATABASE;

    /// What libphonenumber takes for the area code in a number of the form area code, 15, subscriber.
    fn by_library(code: u16) -> bool {
        let argentina = DATABASE.by_id("AR").unwrap();
        let rule = argentina.national_prefix_for_parsing().unwrap();
        let number = format!("{code}15");
        rule.captures(&number)
            .and_then(|found| found.get(1).map(|area| area.as_str() == code.to_string()))
            .unwrap_or_default()
    }

    #[test]
    fn the_table_is_libphonenumbers_rule() {
        let expected: Vec<u16> = (10..10_000).filter(|code| by_library(*code)).collect();
        assert_eq!(CODES.to_vec(), expected, "libphonenumber's area codes have changed");
    }

    #[test]
    fn an_area_code_is_digits_of_the_table_and_nothing_else() {
        assert_eq!(AreaCode::parse("11"), Ok(AreaCode::BUENOS_AIRES));
        assert_eq!(AreaCode::parse("2966").unwrap().subscriber_len(), 6);
        assert_eq!(AreaCode::parse("351").unwrap().subscriber_len(), 7);
        for bad in ["", "+11", "011", "15", "999", "11 ", "1１", "22020", "65547", "999999999999"] {
            assert_eq!(AreaCode::parse(bad), Err(InvalidPhone::AreaCode), "{bad:?} was taken for an area code");
        }
    }
}
