namespace Postrider.Storefront;

/// <summary>Exit codes beside 0, after <c>sysexits.h</c>. A broker's errors bring their own: 69 unavailable, 77 credentials, 78 configuration.</summary>
public static class ExitCodes
{
    public const int Unaccounted = 1;

    public const int Usage = 64;

    public const int NoInput = 66;

    public const int Unavailable = 69;

    public const int Configuration = 78;

    public const int Interrupted = 130;
}
