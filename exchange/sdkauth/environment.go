package sdkauth

import (
	"errors"
	"fmt"
	"os"

	"github.com/databricks/databricks-sdk-go/config"
)

// environment loads what environment variables and the configuration file say
// about everything but credentials. It stands in for the SDK's two loaders,
// which read other people's credentials into the config and fail where those are
// broken.
type environment struct{}

func (environment) Name() string { return name + "-environment" }

func (environment) Configure(cfg *config.Config) error {
	err := loadVariables(cfg)
	if cfg.Profile != "" {
		return wrap("configure", errors.Join(err, loadNamed(cfg)))
	}
	return wrap("configure", errors.Join(err, loadUnnamed(cfg)))
}

// foreign reports whether an attribute is none that the environment or a profile
// may set: one that belongs to another authentication method, though the SDK may
// not say so, and one that endangers secrets.
func foreign(attr *config.ConfigAttribute) bool {
	switch attr.Name {
	case "client_id":
		return false
	case "oauth_callback_port", "disable_oauth_refresh_token":
		return true // of logging in with a browser
	case "actions_id_token_request_url", "actions_id_token_request_token":
		return true // the SDK would print the bearer token in errors
	case "debug_headers":
		return true // the SDK would print our token in its log
	}
	return attr.HasAuthAttribute()
}

// loadVariables fills what is empty from the SDK's environment variables. The
// profile is left to loadUnnamed.
func loadVariables(cfg *config.Config) error {
	var errs []error
	for _, attr := range config.ConfigAttributes {
		if foreign(&attr) || attr.Name == "profile" || !attr.IsZero(cfg) {
			continue
		}
		value, variable := attr.ReadEnv()
		if value == "" {
			continue
		}
		if err := attr.SetS(cfg, value); err != nil {
			errs = append(errs, fmt.Errorf("environment variable %s: %w", variable, err))
			continue
		}
		cfg.SetAttrSource(&attr, config.Source{Type: config.SourceEnv, Name: variable})
	}
	return errors.Join(errs...)
}

// loadNamed reads the profile that the program named, which must be there.
func loadNamed(cfg *config.Config) error {
	profile, err := readProfile(cfg, cfg.Profile)
	if err != nil {
		return fmt.Errorf("profile %q: %w", cfg.Profile, err)
	}
	merge(cfg, profile)
	return nil
}

// loadUnnamed reads the profile that the environment names, or else the default
// one. Somebody may have set it for another program, so it counts only where it
// is needed, for want of a host, or where it is about the same host.
func loadUnnamed(cfg *config.Config) error {
	named := os.Getenv("DATABRICKS_CONFIG_PROFILE")
	if named == "" && cfg.Host != "" {
		return nil // as the SDK does
	}
	profile, err := readProfile(cfg, named)
	switch {
	case err != nil && (cfg.Host != "" || named == ""):
		return nil // not needed, or nobody asked for it: a missing host is told later
	case err != nil:
		return fmt.Errorf("profile %q of DATABRICKS_CONFIG_PROFILE: %w; no host is set otherwise", named, err)
	case cfg.Host != "" && originOf(cfg.Host) != originOf(profile.Host):
		return nil
	}
	merge(cfg, profile)
	return nil
}

// readProfile reads a profile, or the default one if no name is given, into a
// config that is used for nothing else.
func readProfile(cfg *config.Config, named string) (*config.Config, error) {
	profile := &config.Config{Profile: named, ConfigFile: cfg.ConfigFile}
	if err := config.ConfigFile.Configure(profile); err != nil {
		return nil, err
	}
	for _, attr := range config.ConfigAttributes {
		if attr.Name != "profile" && attr.Name != "config_file" && !attr.IsZero(profile) {
			return profile, nil
		}
	}
	file := cfg.ConfigFile
	if file == "" {
		file = "~/.databrickscfg"
	}
	return nil, fmt.Errorf("the configuration file %s does not exist, or says nothing in this profile", file)
}

// merge fills what is empty from a profile.
func merge(cfg, profile *config.Config) {
	file := config.Source{Type: config.SourceFile, Name: profile.ConfigFile}
	for _, attr := range config.ConfigAttributes {
		if foreign(&attr) || !attr.IsZero(cfg) || attr.IsZero(profile) {
			continue
		}
		if err := attr.SetS(cfg, attr.GetString(profile)); err != nil {
			continue // cannot be: it is the text of a value of that type
		}
		cfg.SetAttrSource(&attr, file)
	}
}
